// How tensors of every kind are spelled (formats.md B.4).
#include <algorithm>

#include "checkpoint/sparse_check.h"
#include "checkpoint/stored_tensor.h"
#include "checkpoint/value_writer.h"
#include "sconce/base/checked.h"
#include "sconce/base/error.h"
#include "sconce/state/python_class.h"

namespace sconce::checkpoint {
namespace {

// Devices whose tensors torch.save writes as a copy on the CPU and a name.
bool is_copied_device(std::string_view device) {
  const std::string_view type = device.substr(0, device.find(':'));
  return type == "xla" || type == "mtia" || type == "maia";
}

std::string_view strided_function(DType dtype) {
  if (is_quantized(dtype)) return "_rebuild_qtensor";
  return dtype_info(dtype).storage.empty() ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2";
}

// The sizes and strides that PyTorch has for a leaf. Where several values share a byte, an array without more
// of it counts its bytes.
std::optional<Geometry> value_geometry(const TensorLeaf& leaf) {
  const Array& array = leaf.array;
  const std::int64_t per_byte = values_per_byte(array.dtype());
  if (per_byte == 1) return array.geometry();
  if (!array.is_contiguous()) return std::nullopt;
  if (leaf.quantization && leaf.quantization->packed) {
    Geometry values = *leaf.quantization->packed;
    values.offset = array.offset();
    if (packed_bytes(values, array.dtype()).numel() != array.numel()) return std::nullopt;
    return values;
  }
  if (array.rank() == 0) return std::nullopt;
  Shape shape = array.shape();
  shape[shape.size() - 1] = checked_mul(shape.back(), per_byte, "save");
  return Geometry::contiguous(std::move(shape));
}

}  // namespace

// A storage is named wherever it stands, never recalled: PyTorch knows by its key that it is the same. It
// reads an untyped one as one of uint8, and in legacy streams not at all.
void ValueWriter::bare_storage(const TensorLeaf& leaf) {
  const Array& array = leaf.array;
  const bool is_whole =
      array.is_contiguous() && array.offset() == 0 && array.nbytes() == array.storage().size();
  const bool is_untyped =
      leaf.bare_storage == BareStorage::kUntyped && options_.format != Format::kTorchLegacy;
  storage_id(is_whole ? array : array.clone(), leaf.device, is_untyped);
}

void ValueWriter::emit_tensor(const Value& value) {
  const bool is_array = value.is_array();
  if (is_array && !is_dense_tensor(value)) {
    const TensorLeaf& leaf = value.as_tensor();
    if (!leaf.array.defined()) fail(ErrorCode::kInvalidArgument, "save", "an undefined array at ", path());
    const bool has_class =
        leaf.bare_storage == BareStorage::kUntyped || !dtype_info(leaf.array.dtype()).storage.empty();
    if (has_class) return bare_storage(leaf);
    report_.warnings.push_back(cat("the storage at ", path(),
                                   " becomes a tensor: PyTorch has no storages of ",
                                   dtype_name(leaf.array.dtype())));
  }
  const bool requires_grad = is_array ? value.as_tensor().requires_grad : value.as_sparse().requires_grad;
  const bool is_parameter = is_array ? value.as_tensor().is_parameter : value.as_sparse().is_parameter;
  auto attributes = value.attributes();
  const pickle::QualifiedName type = class_of(attributes);
  if (is_parameter) {
    out_.global("torch._utils", attributes.empty() ? "_rebuild_parameter" : "_rebuild_parameter_with_state");
    if (!attributes.empty()) out_.mark();
    rebuilt(value, false);
    out_.memoize();
    out_.boolean(requires_grad);
    hooks();
    if (!attributes.empty()) return push_state_dict(After::kRebuild, value, std::move(attributes));
    out_.tuple(3);
    out_.memoize();
    out_.reduce();
  } else if (!attributes.empty() || type.name != "Tensor") {
    out_.global("torch._tensor", "_rebuild_from_type_v2");
    out_.mark();
    // The function and its arguments stand apart here: the outer call makes the tensor.
    out_.global("torch._utils", function_of(value));
    out_.global(type.module, type.name);
    arguments(value, requires_grad);
    return push_state_dict(After::kRebuild, value, std::move(attributes));
  } else {
    rebuilt(value, requires_grad);
  }
  out_.memoize(identity_of(value));
}

// The class to write a tensor as; `attributes` lose it, and every name that Python looks up by itself.
pickle::QualifiedName ValueWriter::class_of(Attributes& attributes) {
  pickle::QualifiedName out{"torch", "Tensor"};
  std::erase_if(attributes, [&](const auto& attribute) {
    const auto& [name, value] = attribute;
    if (!is_special_name(name)) return false;
    const bool is_class =
        name == "__class__" && value.is_object() && value.object_kind() == ObjectKind::kGlobal;
    if (is_class && value.global_module() == "torch.nn.parameter" && value.global_name() == "Parameter") {
      out = {"torch.nn.parameter", "Parameter"};
    } else if (is_class && (value.global_module() != "torch" || value.global_name() != "Tensor")) {
      report_.warnings.push_back(
          cat("left out class ", escaped(object_class(value)), " at ", path(), " (written as torch.Tensor)"));
    } else if (!is_class) {
      report_.warnings.push_back(cat("left out the attribute '", escaped(name), "' at ", path()));
    }
    return true;
  });
  return out;
}

// A call that makes the tensor, not memoised yet.
void ValueWriter::rebuilt(const Value& value, bool requires_grad) {
  out_.global("torch._utils", function_of(value));
  arguments(value, requires_grad);
  out_.reduce();
}

bool ValueWriter::is_copied(const Value& value) const {
  return value.is_array() && options_.keep_device && is_copied_device(value.as_tensor().device) &&
         !is_quantized(value.as_tensor().array.dtype());
}

std::string_view ValueWriter::function_of(const Value& value) const {
  if (value.is_sparse()) return "_rebuild_sparse_tensor";
  return is_copied(value) ? "_rebuild_device_tensor_from_cpu_tensor"
                          : strided_function(value.as_array().dtype());
}

// The tuple of arguments, memoised.
void ValueWriter::arguments(const Value& value, bool requires_grad) {
  if (value.is_sparse()) return sparse_arguments(value.as_sparse());
  const TensorLeaf& leaf = value.as_tensor();
  if (!leaf.array.defined()) fail(ErrorCode::kInvalidArgument, "save", "an undefined array at ", path());
  is_copied(value) ? device_arguments(leaf, requires_grad) : dense_arguments(leaf, requires_grad);
}

void ValueWriter::dense(const TensorLeaf& leaf, bool requires_grad) {
  out_.global("torch._utils", strided_function(leaf.array.dtype()));
  dense_arguments(leaf, requires_grad);
  out_.reduce();
}

void ValueWriter::dense_arguments(const TensorLeaf& leaf, bool requires_grad) {
  const Array& array = leaf.array;
  const auto values = value_geometry(leaf);
  if (!values) {
    fail(ErrorCode::kInvalidArgument, "save", "a tensor of ", array.dtype(),
         " whose array is not its bytes, at ", path());
  }
  out_.mark();
  storage_id(array, leaf.device);
  out_.integer(array.offset());
  dims(values->shape);
  dims(values->strides);
  if (is_quantized(array.dtype())) {
    if (!leaf.quantization) {
      fail(ErrorCode::kInvalidArgument, "save", "a tensor of ", array.dtype(),
           " without quantization parameters, at ", path());
    }
    quantization(*leaf.quantization, leaf.device);
  }
  out_.boolean(requires_grad);
  hooks();
  if (dtype_info(array.dtype()).storage.empty()) out_.global("torch", dtype_name(array.dtype()));
  out_.tuple(7);  // closes the mark, whatever the number
  out_.memoize();
}

void ValueWriter::device_arguments(const TensorLeaf& leaf, bool requires_grad) {
  out_.mark();
  dense({.array = leaf.array}, false);
  out_.memoize();
  out_.global("torch", dtype_name(leaf.array.dtype()));
  out_.shared_text(leaf.device);
  out_.boolean(requires_grad);
  out_.tuple(4);
  out_.memoize();
}

void ValueWriter::sparse_arguments(const SparseLeaf& leaf) {
  const bool is_coo = leaf.layout == "sparse_coo";
  out_.global("torch.serialization", "_get_layout");
  out_.shared_text(cat("torch.", leaf.layout));
  out_.tuple(1);
  out_.memoize();
  out_.reduce();
  out_.memoize();
  const bool has_four = !is_coo || leaf.is_coalesced.has_value();
  if (has_four) out_.mark();
  std::vector<Array> parts{leaf.indices};
  if (!is_coo) parts.push_back(leaf.plain_indices);
  parts.push_back(leaf.values);
  for (const Array& part : parts) {
    if (!part.defined()) {
      fail(ErrorCode::kInvalidArgument, "save", "a sparse tensor without its parts, at ", path());
    }
  }
  const std::string fault = sparse_fault(leaf);
  if (!fault.empty()) {
    fail(ErrorCode::kCorrupt, "save", "the sparse tensor at ", path(), " points outside itself: ", fault);
  }
  for (const Array& part : parts) {
    dense({.array = part, .device = leaf.device}, false);
    out_.memoize();
  }
  out_.global("torch", "Size");
  dims(leaf.size);
  out_.tuple(1);
  out_.memoize();
  out_.reduce();
  out_.memoize();
  if (is_coo && has_four) out_.boolean(*leaf.is_coalesced);
  out_.tuple(has_four ? 4 : 3);
  out_.memoize();
  out_.tuple(2);
  out_.memoize();
}

void ValueWriter::quantization(const Quantization& parameters, const std::string& device) {
  const bool per_channel = parameters.scales.defined();
  if (per_channel) out_.mark();
  out_.global("torch", parameters.scheme);
  if (per_channel) {
    for (const Array* array : {&parameters.scales, &parameters.zero_points}) {
      dense({.array = *array, .device = device}, false);
      out_.memoize();
    }
    out_.integer(parameters.axis);
    out_.tuple(4);
  } else {
    out_.real(parameters.scale);
    out_.integer(parameters.zero_point);
    out_.tuple(3);
  }
  out_.memoize();
}

void ValueWriter::dims(const Dims& dims) {
  if (dims.empty()) return out_.empty_tuple();
  if (dims.size() > 3) out_.mark();
  for (const std::int64_t dim : dims) out_.integer(dim);
  out_.tuple(dims.size());
  out_.memoize();
}

void ValueWriter::hooks() {
  out_.global("collections", "OrderedDict");
  out_.empty_tuple();
  out_.reduce();
  out_.memoize();
}

}  // namespace sconce::checkpoint
