// What two checkpoints have in common, and what not.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sconce/checkpoint/listing.h"
#include "sconce/toolbox/tensor_difference.h"

namespace sconce::toolbox {

struct DiffOptions {
  std::optional<Tolerance> tolerance = {};  // what lies within it counts as the same
  bool find_renames = true;                 // costs reading the tensors that only one side names
  bool tensors_only = false;                // leave numbers, text and other values alone
  std::string filter = {};                  // GLOB over names; empty: everything
};

// How a tensor of A was found in B.
enum class PairedBy : std::uint8_t {
  kName,
  kContent,         // another name, the same content, which no other tensor has
  kContentAndName,  // the same content as several, and of these the name that fits
  kWrapper,         // names that differ by what DistributedDataParallel, torch.compile, FSDP put into them
};

struct TensorPair {
  std::size_t a = 0;  // index in the listing of A
  std::size_t b = 0;
  PairedBy paired_by = PairedBy::kName;
  // What the descriptions say differently: "dtype float32 -> float16", "shape (3,) -> (4,)", "scale ...".
  std::vector<std::string> changes;
  std::optional<TensorDifference> numbers;  // nullopt when shapes or kinds of elements do not allow it

  bool is_same() const { return changes.empty() && numbers && numbers->is_near(); }
};

// Tensors of equal content under several names: which became which cannot be known.
struct AmbiguousTensors {
  std::vector<std::size_t> a;
  std::vector<std::size_t> b;
};

// A number, text, object, or sparse tensor's description that is not the same in both.
struct ValueChange {
  std::string name;
  std::optional<Value> a;  // nullopt: only in B
  std::optional<Value> b;
};

// Something that changes no number: how tensors lie in memory and share it, device tags, requires_grad,
// `_metadata`, the order of entries.
struct StructureChange {
  std::string what;  // "strides", "offset", "sharing", "device", "requires_grad", "parameter", "metadata",
                     // "attribute", "container", "coalesced", "order"
  std::string name;
  std::string a;  // empty: absent
  std::string b;
};

struct Diff {
  std::vector<TensorPair> tensors;  // in the order of A
  std::vector<std::size_t> only_a;  // indices of tensors in the listing of A
  std::vector<std::size_t> only_b;  // ... of B
  std::vector<AmbiguousTensors> ambiguous;
  std::vector<ValueChange> values;
  std::size_t equal_values = 0;
  std::size_t near_values = 0;  // within tolerance, and not equal
  std::vector<StructureChange> structure;

  std::size_t count_equal() const;      // pairs of one name without any difference
  std::size_t count_near() const;       // ... within tolerance, and not equal
  std::size_t count_different() const;  // pairs of one name that are not the same
  std::size_t count_renamed() const;
  // Same names, dtypes, shapes, numbers and other values; with `strict` the same structure, too.
  bool is_same(bool strict = false) const;
};

// Compares two checkpoints of any formats. Tensors are read one after the other in the order of A, so that
// memory holds two of them at a time, whatever the size of the files. Errors: as Listing::read.
Diff diff(const checkpoint::Listing& a, const checkpoint::Listing& b, const DiffOptions& options = {});

}  // namespace sconce::toolbox
