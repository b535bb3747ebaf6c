// The dtypes that continuous distributions are drawn in.
#pragma once

#include <limits>
#include <type_traits>

#include "sconce/base/error.h"
#include "sconce/core/visit_dtype.h"
#include "sconce/kernels/random.h"

namespace sconce::kernels {

// Calls visitor with double, float, Float16 or BFloat16; Error kDTypeMismatch for any other dtype.
template <class Visitor>
void visit_drawn_dtype(DType dtype, std::string_view where, const Visitor& visitor) {
  switch (dtype) {
    case kFloat64:
      return visitor(std::type_identity<double>{});
    case kFloat32:
      return visitor(std::type_identity<float>{});
    case kFloat16:
      return visitor(std::type_identity<Float16>{});
    case kBFloat16:
      return visitor(std::type_identity<BFloat16>{});
    default:
      fail(ErrorCode::kDTypeMismatch, where, "expected float64, float32, float16 or bfloat16, found ", dtype);
  }
}

// Uniform in [0, 1) with the bits PyTorch gives T: double or float.
template <class T>
T draw_uniform(Generator& generator) {
  if constexpr (std::is_same_v<T, double>)
    return generator.uniform53();
  else
    return generator.uniform24();
}

// `value` in the dtype of T; the 16-bit types round by way of float, as PyTorch does.
template <class T>
T to_drawn(double value) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(value);
  else
    return T(static_cast<float>(value));
}

// The largest finite value of T.
template <class T>
double largest() {
  if constexpr (std::is_floating_point_v<T>) return static_cast<double>(std::numeric_limits<T>::max());
  if constexpr (std::is_same_v<T, Float16>) return 65504.0;
  return 0x1.FEp127;  // bfloat16
}

}  // namespace sconce::kernels
