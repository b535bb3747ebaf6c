#include "checkpoint/torch_names.h"

#include <algorithm>

namespace sconce::checkpoint {
namespace {

struct TrustRow {
  std::string_view module;
  std::string_view name;
  Trust trust;
};

// formats.md B.5, B.7 and B.10. Dtypes are added from their own table. Making an object of these calls no
// code of the file's choosing; functools.partial, getattr and every class of other packages are missing on
// purpose.
constexpr TrustRow kTrust[] = {
    {"torch", "Size", Trust::kPlain},
    {"torch", "device", Trust::kPlain},
    {"torch", "Tensor", Trust::kPlain},
    {"torch.nn.parameter", "Parameter", Trust::kPlain},
    {"torch.serialization", "_get_layout", Trust::kPlain},
    {"torch", "per_tensor_affine", Trust::kPlain},
    {"torch", "per_channel_affine", Trust::kPlain},
    {"torch", "per_tensor_symmetric", Trust::kPlain},
    {"torch", "per_channel_symmetric", Trust::kPlain},
    {"torch", "per_channel_affine_float_qparams", Trust::kPlain},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", Trust::kPlain},
    {"torch._utils", "_rebuild_parameter", Trust::kPlain},
    {"torch._utils", "_rebuild_parameter_with_state", Trust::kPlain},
    {"torch._utils", "_rebuild_nested_tensor", Trust::kPlain},
    {"torch._tensor", "_rebuild_from_type_v2", Trust::kPlain},
    {"torch.nn.parameter", "UninitializedParameter", Trust::kInert},
    {"torch.nn.parameter", "UninitializedBuffer", Trust::kInert},
    {"torch._C", "Generator", Trust::kInert},
    {"numpy", "matrix", Trust::kInert},
    {"numpy.core.numeric", "_frombuffer", Trust::kInert},
    {"numpy._core.numeric", "_frombuffer", Trust::kInert},
    {"numpy.ma.core", "_mareconstruct", Trust::kInert},
    {"numpy.ma.core", "MaskedArray", Trust::kInert},
    {"numpy.ma", "MaskedArray", Trust::kInert},
    {"collections", "OrderedDict", Trust::kPlain},
    {"collections", "Counter", Trust::kPlain},
    {"collections", "defaultdict", Trust::kInert},
    {"collections", "deque", Trust::kInert},
    {"builtins", "int", Trust::kInert},
    {"builtins", "float", Trust::kInert},
    {"builtins", "bool", Trust::kInert},
    {"builtins", "str", Trust::kInert},
    {"builtins", "list", Trust::kInert},
    {"builtins", "tuple", Trust::kInert},
    {"builtins", "dict", Trust::kInert},
    {"builtins", "slice", Trust::kInert},
    {"builtins", "range", Trust::kInert},
    {"argparse", "Namespace", Trust::kInert},
    {"types", "SimpleNamespace", Trust::kInert},
    {"datetime", "datetime", Trust::kInert},
    {"datetime", "date", Trust::kInert},
    {"datetime", "time", Trust::kInert},
    {"datetime", "timedelta", Trust::kInert},
    {"datetime", "timezone", Trust::kInert},
    {"decimal", "Decimal", Trust::kInert},
    {"fractions", "Fraction", Trust::kInert},
    {"uuid", "UUID", Trust::kInert},
    {"pathlib", "Path", Trust::kInert},
    {"pathlib", "PosixPath", Trust::kInert},
    {"pathlib", "PurePosixPath", Trust::kInert},
    {"pathlib", "WindowsPath", Trust::kInert},
    {"pathlib", "PureWindowsPath", Trust::kInert},
    {"pathlib._local", "PosixPath", Trust::kInert},
    {"pathlib._local", "PurePosixPath", Trust::kInert},
    {"numpy", "dtype", Trust::kInert},
    {"numpy", "ndarray", Trust::kInert},
    {"numpy.core.multiarray", "scalar", Trust::kInert},
    {"numpy._core.multiarray", "scalar", Trust::kInert},
    {"numpy.core.multiarray", "_reconstruct", Trust::kInert},
    {"numpy._core.multiarray", "_reconstruct", Trust::kInert},
};

}  // namespace

std::optional<StorageClass> storage_class_of(const pickle::Global& global) {
  if (global.module != "torch" && global.module != "torch.cuda" && global.module != "torch.storage") {
    return std::nullopt;
  }
  if (global.name == "UntypedStorage" || global.name == "_UntypedStorage") return StorageClass{};
  const auto dtype = dtype_from_storage(global.name);
  if (!dtype) return std::nullopt;
  return StorageClass{dtype};
}

std::optional<DType> dtype_of_global(const pickle::Global& global) {
  return global.module == "torch" ? dtype_from_name(global.name) : std::nullopt;
}

Trust trust_of(std::string_view module, std::string_view name) {
  const auto* row = std::find_if(std::begin(kTrust), std::end(kTrust), [&](const TrustRow& candidate) {
    return candidate.module == module && candidate.name == name;
  });
  if (row != std::end(kTrust)) return row->trust;
  return module == "torch" && dtype_from_name(name) ? Trust::kPlain : Trust::kUnknown;
}

}  // namespace sconce::checkpoint
