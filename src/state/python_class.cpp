#include "sconce/state/python_class.h"

#include "sconce/base/error.h"

namespace sconce {
namespace {

// Of "f4", a dtype's code: "float32", as numpy's scalar class is named. numpy 2 renamed that of bool.
std::string numpy_scalar_name(const std::string& code, bool is_numpy2) {
  struct Row {
    char kind;
    std::string_view name;
    bool has_bits;
  };
  static constexpr Row kRows[] = {
      {'i', "int", true},         {'u', "uint", true},    {'f', "float", true},
      {'c', "complex", true},     {'S', "bytes_", false}, {'U', "str_", false},
      {'M', "datetime64", false}, {'V', "void", false},   {'m', "timedelta64", false}};
  if (code.starts_with('b')) return is_numpy2 ? "bool" : "bool_";
  for (const Row& row : kRows) {
    if (!code.starts_with(row.kind)) continue;
    // One to 32 bytes.
    const bool is_short = code.size() == 2 || (code.size() == 3 && row.has_bits);
    if (row.has_bits && !(is_short && code.find_first_not_of("0123456789", 1) == std::string::npos)) break;
    return row.has_bits ? cat(row.name, 8 * std::stoi(code.substr(1))) : std::string(row.name);
  }
  return "generic";
}

// numpy.core.multiarray.scalar(dtype, bytes), dtype being numpy.dtype(code, ...).
std::string numpy_scalar_class(const Value& scalar) {
  const Value args = scalar.object_args();
  const auto is_text = [](const Value& tuple) {
    return tuple.is_tuple() && tuple.size() > 0 && tuple.at(0).is_string();
  };
  if (args.size() == 0 || !args.at(0).is_object() || !is_text(args.at(0).object_args()))
    return "numpy.generic";
  return cat("numpy.", numpy_scalar_name(args.at(0).object_args().at(0).as_string(),
                                         scalar.global_module().starts_with("numpy._core")));
}

std::string tensor_class(const TensorLeaf& leaf) {
  switch (leaf.bare_storage) {
    case BareStorage::kTyped:
      return "torch.storage.TypedStorage";
    case BareStorage::kUntyped:
      return "torch.storage.UntypedStorage";
    case BareStorage::kNo:
      break;
  }
  return leaf.is_parameter ? "torch.nn.parameter.Parameter" : "torch.Tensor";
}

}  // namespace

std::string python_class(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kNone:
      return "NoneType";
    case ValueKind::kBytes:
      return value.is_bytearray() ? "bytearray" : "bytes";
    case ValueKind::kSet:
      return value.is_frozen() ? "frozenset" : "set";
    case ValueKind::kDict:
      return value.is_ordered_dict() ? "collections.OrderedDict" : "dict";
    case ValueKind::kArray:
      return tensor_class(value.as_tensor());
    case ValueKind::kSparse:
      return value.as_sparse().is_parameter ? "torch.nn.parameter.Parameter" : "torch.Tensor";
    case ValueKind::kObject: {
      if (value.object_kind() != ObjectKind::kGlobal) break;
      const bool is_dtype = value.global_module() == "torch" && dtype_from_name(value.global_name());
      return is_dtype ? "torch.dtype" : "type";
    }
    default:
      return std::string(value_kind_name(value.kind()));
  }
  std::string name = object_class(value);
  constexpr std::string_view kBuiltins = "builtins.";  // which Python does not print
  return name.starts_with(kBuiltins) ? name.substr(kBuiltins.size()) : name;
}

std::string object_class(const Value& object) {
  const auto name_of = [](const Value& global) {
    return cat(global.global_module(), ".", global.global_name());
  };
  const std::string module = object.global_module();
  const std::string name = object.global_name();
  if (name.empty()) return "object";
  if (object.object_kind() == ObjectKind::kReduce && object.object_args().is_tuple()) {
    const Value args = object.object_args();
    const auto class_at = [&](std::size_t index) {
      return args.size() > index && args.at(index).is_object() &&
             args.at(index).object_kind() == ObjectKind::kGlobal;
    };
    const bool is_first = name == "_reconstruct" || name == "_mareconstruct" ||
                          (name == "_reconstructor" && module == "copyreg") ||
                          (name == "getattr" && module == "builtins");
    if (is_first && class_at(0)) return name_of(args.at(0));
    if ((name == "_rebuild_from_type_v2" || name == "_rebuild_from_type") && class_at(1))
      return name_of(args.at(1));
    const bool is_numpy = module.starts_with("numpy.core.") || module.starts_with("numpy._core.");
    if (is_numpy && name == "scalar") return numpy_scalar_class(object);
    if (is_numpy && name == "_frombuffer") return "numpy.ndarray";
  }
  return name_of(object);
}

}  // namespace sconce
