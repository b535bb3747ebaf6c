#include "nn/copy_refusal.h"

#include <cctype>

namespace sconce::nn {
namespace {

// torch's ScalarType as C++ names it: "Float", "Bits1x8", "UInt16".
std::string scalar_type(DType dtype) {
  constexpr std::string_view kStorage = "Storage";
  std::string name(dtype_info(dtype).storage);
  if (!name.empty()) return name.substr(0, name.size() - kStorage.size());
  if (dtype == kComplex32) return "ComplexHalf";
  if (dtype == kBComplex32) return "BComplex32";
  name = dtype_name(dtype);
  const std::size_t capitals = name.starts_with('u') ? 2 : 1;
  for (std::size_t i = 0; i < capitals; ++i) name[i] = static_cast<char>(std::toupper(name[i]));
  return name;
}

// What at::toString(options()) gives: the old classes of Python, where there were any.
std::string tensor_type(DType dtype, bool is_sparse) {
  const DTypeKind kind = dtype_info(dtype).kind;
  const bool has_class = (kind == DTypeKind::kInteger || kind == DTypeKind::kFloating) &&
                         dtype != kBFloat16 && !dtype_info(dtype).storage.empty();
  if (has_class) return cat("torch.", is_sparse ? "sparse." : "", scalar_type(dtype), "Tensor");
  return cat(is_sparse ? "Sparse" : "", "CPU", scalar_type(dtype), "Type");
}

bool is_raw(DType dtype) { return dtype_info(dtype).kind == DTypeKind::kRaw; }

std::optional<std::string> assign_refusal(const Tensor& target, bool is_sparse, DType dtype) {
  if (target.requires_grad() && !is_floating(dtype) && !is_complex(dtype)) {
    return "Only Tensors of floating point and complex dtype can require gradients";
  }
  // What follows PyTorch takes.
  if (target.requires_grad() && is_complex(dtype)) return "complex tensors cannot require gradients";
  if (is_sparse) return "parameters and buffers are dense, this tensor is sparse";
  if (is_quantized(dtype)) return "parameters and buffers hold numbers, this tensor is quantized";
  if (is_raw(dtype)) return cat("parameters and buffers hold numbers, the dtype of this tensor is ", dtype);
  return std::nullopt;
}

}  // namespace

std::optional<Shape> tensor_shape(const StateValue& value) {
  if (value.is_array()) return value.shape();
  const Value other = value.to_value();
  if (other.is_sparse()) return other.as_sparse().size;
  if (!other.is_array() || other.as_tensor().bare_storage != BareStorage::kNo) return std::nullopt;
  const TensorLeaf& leaf = other.as_tensor();
  return leaf.quantization && leaf.quantization->packed ? leaf.quantization->packed->shape
                                                        : leaf.array.shape();
}

std::optional<std::string> copy_refusal(const Tensor& target, const StateValue& source, bool assign) {
  const Value value = source.is_array() ? Value() : source.to_value();
  const bool is_sparse = value.is_sparse();
  const DType dtype = source.is_array() ? source.dtype()
                      : is_sparse       ? value.as_sparse().values.dtype()
                                        : value.as_array().dtype();
  if (assign) return assign_refusal(target, is_sparse, dtype);
  if (is_sparse && value.as_sparse().layout == "sparse_coo") {
    return cat("copy_() between dense and sparse Tensors is not implemented! Found self type = ",
               tensor_type(target.dtype(), false), " and src type = ", tensor_type(dtype, true));
  }
  if (is_sparse) return "copy_sparse_compressed_ expected sparse compressed tensor layout but got Strided";
  if (is_quantized(dtype)) {
    return "Copying from quantized Tensor to non-quantized Tensor is not allowed, please use dequantize to "
           "get a float Tensor from a quantized Tensor";
  }
  if (is_raw(dtype)) {
    const std::string_view function = dtype == kFloat4E2M1FNx2 ? "copy_kernel" : "copy_";
    return cat("\"", function, "\" not implemented for '", scalar_type(dtype), "'");
  }
  return std::nullopt;
}

}  // namespace sconce::nn
