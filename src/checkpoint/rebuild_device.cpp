// Tensors of devices whose storage torch.save cannot reach (XLA, MTIA): it writes a copy on the CPU and the
// device's name (formats.md B.4).
#include "checkpoint/rebuild.h"
#include "checkpoint/torch_names.h"
#include "sconce/checkpoint/objects.h"

namespace sconce::checkpoint {
namespace {

// Arguments 1 to 3: dtype, device, requires_grad.
TensorLeaf leaf_of(const Call& call) {
  TensorLeaf leaf;
  leaf.device = device_name(call.args[2].as_string(), call.args[2]);
  leaf.requires_grad = call.args[3].as_bool();
  return leaf;
}

// The dtype, or nullopt for one that is not known.
std::optional<DType> dtype_of(const Call& call) { return dtype_of_global(call.args[1].as_global()); }

// Of a tensor, whether its array is there or only described.
std::optional<DType> stored_dtype(const ValueReader& reader, const Value& value) {
  if (!value.is_array()) return std::nullopt;
  if (value.as_array().defined()) return value.as_array().dtype();
  const auto parts = reader.parts_of(value);
  return parts.empty() ? std::nullopt : std::optional(parts.front().tensor.dtype);
}

Rebuilt from_cpu_tensor(ValueReader& reader, const Call& call) {
  expect_args(call, 4, 4);
  const Value* inner = reader.get(call.args[0]);
  if (!inner) return std::nullopt;
  const auto dtype = stored_dtype(reader, *inner);
  if (!dtype || dtype != dtype_of(call)) return reader.inert(call.node);
  TensorLeaf leaf = leaf_of(call);
  leaf.array = inner->as_array();
  Value out = reader.arena().array(std::move(leaf));
  reader.copy_parts(out, "", *inner);
  return out;
}

// PyTorch has no bfloat16 in numpy, so such a tensor is written as float32 and converted back.
Rebuilt from_numpy(ValueReader& reader, const Call& call) {
  expect_args(call, 4, 4);
  const Value* inner = reader.get(call.args[0]);
  if (!inner) return std::nullopt;
  const auto array = numpy_array(*inner);
  const auto dtype = dtype_of(call);
  if (!array || !dtype) return reader.inert(call.node);
  reader.count_copy(call.args[0],
                    array->nbytes() + static_cast<std::uint64_t>(array->numel()) * itemsize(*dtype));
  return reader.tensor(array->cast(*dtype), leaf_of(call));
}

constexpr RebuildRow kRows[] = {
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", from_cpu_tensor},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", from_numpy},
    {"torch._utils", "_rebuild_xla_tensor", from_numpy},
};

}  // namespace

std::span<const RebuildRow> device_tensor_rows() { return kRows; }

}  // namespace sconce::checkpoint
