#include "sconce/checkpoint/objects.h"

#include <algorithm>
#include <cstring>

#include "checkpoint/numpy_value.h"
#include "checkpoint/read_limits.h"
#include "checkpoint/source.h"
#include "sconce/base/byte_reader.h"
#include "sconce/state/python_class.h"
#include "sconce/state/repr.h"

namespace sconce::checkpoint {
namespace {

bool is_call(const Value& value, std::string_view module, std::string_view name) {
  return value.is_object() && value.object_kind() != ObjectKind::kGlobal && value.global_name() == name &&
         value.global_module() == module && value.object_kwargs().is_none() && value.object_args().is_tuple();
}

bool is_untouched(const Value& object) {
  return object.object_states().empty() && object.object_elements().empty() && object.object_items().empty();
}

std::optional<Dims> dims_of(const Value& value) {
  if (is_call(value, "torch", "Size") && value.object_args().size() == 1) {
    const Value inner = value.object_args().at(0);
    return inner.is_tuple() ? dims_of(inner) : std::nullopt;
  }
  if ((!value.is_tuple() && !value.is_list()) || value.size() > kMaxRank) return std::nullopt;
  Dims out;
  for (const Value& element : value.elements()) {
    if (!element.is_int() || element.is_big_int() || element.as_int() < 0) return std::nullopt;
    out.push_back(element.as_int());
  }
  return out;
}

// _rebuild_meta_tensor_no_storage(dtype, sizes, strides, requires_grad)
std::optional<MetaTensor> rebuilt_meta(const Value& args) {
  if (args.size() != 4 || !args.at(0).is_object() || args.at(0).object_kind() != ObjectKind::kGlobal) {
    return std::nullopt;
  }
  const auto dtype = args.at(0).global_module() == "torch" ? dtype_from_name(args.at(0).global_name())
                                                           : std::optional<DType>();
  const auto sizes = dims_of(args.at(1));
  const auto strides = dims_of(args.at(2));
  if (!dtype || !sizes || !strides || sizes->size() != strides->size() || !args.at(3).is_bool()) {
    return std::nullopt;
  }
  MetaTensor out{*dtype, {Shape(*sizes), *strides, 0}, args.at(3).as_bool(), false};
  try {
    out.geometry.required_elements();
  } catch (const Error&) {  // more elements than 64 bits count: no tensor
    return std::nullopt;
  }
  return out;
}

std::string tensor_text(std::string_view what, std::string_view dtype, const Shape& shape) {
  return cat(what, " ", dtype, " ", shape.str());
}

std::string number_text(const Array& number) {
  switch (dtype_info(number.dtype()).kind) {
    case DTypeKind::kBoolean:
      return value_repr(Value(number.item<bool>()));
    case DTypeKind::kInteger:
      return number.dtype() == kUInt64 ? std::to_string(number.item<std::uint64_t>())
                                       : std::to_string(number.item<std::int64_t>());
    case DTypeKind::kComplex:
      return value_repr(Value(number.item<std::complex<double>>()));
    default:
      return value_repr(Value(number.item<double>()));
  }
}

std::optional<std::string> numpy_text(const Value& value) {
  if (const auto dtype = numpy_dtype(value)) return cat("numpy.dtype ", dtype->name);
  const auto object = numpy_object(value);
  if (!object) return std::nullopt;
  if (object->kind == NumpyObject::Kind::kScalar) {
    const auto number = numpy_array(value);
    return cat("numpy.", object->dtype.name, number ? cat(" ", number_text(*number)) : "");
  }
  return tensor_text(object_class(value), object->dtype.name, object->shape);
}

std::optional<std::string> torch_text(const Value& value) {
  if (const auto meta = meta_tensor(value)) {
    return tensor_text(meta->is_parameter ? "meta parameter" : "meta tensor", dtype_name(meta->dtype),
                       meta->geometry.shape);
  }
  if (value.object_kind() == ObjectKind::kGlobal) {
    const bool is_dtype = value.global_module() == "torch" && dtype_from_name(value.global_name());
    return is_dtype ? std::optional(cat("torch.", value.global_name())) : std::nullopt;
  }
  if (!is_untouched(value)) return std::nullopt;
  if (is_call(value, "torch._utils", "_rebuild_nested_tensor")) {
    const auto parts = value.object_args().elements();
    const bool are_arrays =
        std::all_of(parts.begin(), parts.end(), [](const Value& part) { return part.is_array(); });
    return parts.size() == 4 && are_arrays ? std::optional<std::string>("nested tensor") : std::nullopt;
  }
  if (is_call(value, "torch", "Size")) {
    const auto dims = dims_of(value);
    return dims ? std::optional(cat("torch.Size ", Shape(*dims).str())) : std::nullopt;
  }
  const bool is_device = is_call(value, "torch", "device");
  if (is_device || is_call(value, "torch.serialization", "_get_layout")) {
    std::string out;
    for (const Value& argument : value.object_args().elements()) {
      if (argument.is_string()) out += cat(is_device ? "torch.device " : "", escaped(argument.as_string()));
      if (argument.is_int() && !argument.is_big_int()) out += cat(":", argument.as_int());
    }
    return out;
  }
  return std::nullopt;
}

std::optional<std::string> understood_text(const Value& value) {
  if (!value.is_object()) return std::nullopt;
  auto text = numpy_text(value);
  return text ? text : torch_text(value);
}

}  // namespace

std::optional<MetaTensor> meta_tensor(const Value& value) {
  if (is_call(value, "torch._utils", "_rebuild_meta_tensor_no_storage") && is_untouched(value)) {
    return rebuilt_meta(value.object_args());
  }
  // (func, class, arguments of func, state)
  if (is_call(value, "torch._tensor", "_rebuild_from_type_v2") && value.object_args().size() == 4) {
    const Value function = value.object_args().at(0);
    const Value args = value.object_args().at(2);
    const bool is_meta = function.is_object() && function.object_kind() == ObjectKind::kGlobal &&
                         function.global_module() == "torch._utils" &&
                         function.global_name() == "_rebuild_meta_tensor_no_storage";
    return is_meta && args.is_tuple() ? rebuilt_meta(args) : std::nullopt;
  }
  // (tensor, requires_grad, hooks[, state])
  if (is_call(value, "torch._utils", "_rebuild_parameter") ||
      is_call(value, "torch._utils", "_rebuild_parameter_with_state")) {
    const Value args = value.object_args();
    if (args.size() < 2 || !args.at(1).is_bool() ||
        !is_call(args.at(0), "torch._utils", "_rebuild_meta_tensor_no_storage")) {
      return std::nullopt;
    }
    auto out = rebuilt_meta(args.at(0).object_args());
    if (!out) return std::nullopt;
    out->requires_grad = args.at(1).as_bool();
    out->is_parameter = true;
    return out;
  }
  return std::nullopt;
}

Value meta_value(const MetaTensor& tensor) {
  const auto tuple_of = [](const auto& numbers) {
    Value out = Value::tuple();
    for (const std::int64_t number : numbers) out.append(number);
    return out;
  };
  Value plain = Value::object(
      ObjectKind::kReduce, Value::global("torch._utils", "_rebuild_meta_tensor_no_storage"),
      Value::tuple({Value::global("torch", dtype_name(tensor.dtype)), tuple_of(tensor.geometry.shape),
                    tuple_of(tensor.geometry.strides), tensor.requires_grad && !tensor.is_parameter}));
  if (!tensor.is_parameter) return plain;
  return Value::object(ObjectKind::kReduce, Value::global("torch._utils", "_rebuild_parameter"),
                       Value::tuple({plain, tensor.requires_grad, Value::ordered_dict()}));
}

std::optional<Array> numpy_array(const Value& value) {
  const auto object = numpy_object(value);
  if (!object || !object->dtype.dtype || object->kind == NumpyObject::Kind::kMasked) return std::nullopt;
  const DType dtype = *object->dtype.dtype;
  const auto bytes =
      object->data.is_bytes() ? object->data.as_bytes() : as_byte_span(object->data.as_string());
  Storage storage = Storage::allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(storage.mutable_data(), bytes.data(), bytes.size());
  if (object->dtype.is_swapped) {
    swap_words({storage.mutable_data(), storage.size()}, dtype_info(dtype).word);
  }
  Geometry geometry = Geometry::contiguous(object->shape);
  if (object->is_fortran) {
    std::int64_t stride = 1;
    for (std::size_t i = 0; i < geometry.rank(); ++i) {
      geometry.strides[i] = stride;
      stride *= std::max<std::int64_t>(geometry.shape[i], 1);
    }
  }
  return Array(std::move(storage), dtype, std::move(geometry));
}

bool is_understood(const Value& value) { return understood_text(value).has_value(); }

std::string value_text(const Value& value) {
  auto text = understood_text(value);
  return text ? *std::move(text) : value_repr(value);
}

}  // namespace sconce::checkpoint
