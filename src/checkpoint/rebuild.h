// The calls in torch pickles that stand for values: formats.md B.4 to B.8. One row, one function.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "checkpoint/value_reader.h"

namespace sconce::checkpoint {

// nullopt: something must be made first, the function is called again.
using Rebuilt = std::optional<Value>;

struct RebuildRow {
  std::string_view module;  // as Python 3 spells it
  std::string_view name;
  Rebuilt (*make)(ValueReader&, const Call&);
  bool takes_state = false;  // BUILD and items after the call are part of the value
};

// The rows of each topic; rebuild.cpp brings them together.
std::span<const RebuildRow> tensor_rows();
std::span<const RebuildRow> structured_tensor_rows();  // sparse, quantized
std::span<const RebuildRow> device_tensor_rows();      // of devices whose storage torch.save cannot reach
std::span<const RebuildRow> numpy_rows();
std::span<const RebuildRow> python_rows();
std::span<const RebuildRow> old_tensor_rows();  // of PyTorch 0.1 to 0.4

// Error kCorrupt unless there are `least` to `most` arguments.
void expect_args(const Call& call, std::size_t least, std::size_t most);
// The numbers of a size or stride: a tuple, a list or a torch.Size.
Dims dims_of(pickle::Node node);
// Arguments 0 to 3 of every strided tensor: storage, offset, sizes, strides.
StoredTensor stored_from(ValueReader& reader, const Call& call, std::optional<DType> dtype);
// A tensor like `inner` that is a Parameter; nullopt when inner is no tensor with data.
Rebuilt parameter_of(ValueReader& reader, const Value& inner, bool requires_grad);
// Whether _rebuild_from_type_v2 with its four arguments stands for a DTensor, and the part of it that is
// there.
bool is_shard(const Call& call);
Rebuilt shard(ValueReader& reader, const Call& call);
// The element type of a class like torch.cuda.FloatTensor; Error kCorrupt, at `at`, for any other global.
DType tensor_class_dtype(const pickle::Global& type, const pickle::Node& at);
// The bytes that _codecs.encode(text, 'latin1') makes.
std::string latin1_bytes(pickle::Node text);
// Attributes are looked up one after the other: a few is what they are for.
inline constexpr std::size_t kMostAttributes = 1000;
// Sets what a state holds as attributes once it stands: None, a dict, or (dict or None, slots). Not those
// with the names in `except`, which must live as long as the reader.
void attributes_later(ValueReader& reader, Value target, pickle::Node state,
                      std::span<const std::string_view> except = {});
// True when a state is such a one, and no name in it is one that Python looks up by itself (`__class__`).
bool is_attribute_state(pickle::Node state);

}  // namespace sconce::checkpoint
