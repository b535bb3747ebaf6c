#include "sconce/tensor/scalar.h"

namespace sconce {

Array Scalar::to_array(DType dtype) const {
  if (dtype_ == kFloat64 || is_floating(dtype)) {
    if (dtype == kFloat64) return Array::scalar(real_);
    if (dtype == kFloat32) return Array::scalar(static_cast<float>(real_));
    return Array::scalar(real_).cast(dtype);
  }
  return Array::scalar(integer_).cast(dtype);
}

}  // namespace sconce
