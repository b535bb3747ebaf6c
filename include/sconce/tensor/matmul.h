// Matrix products of floating tensors. Error kShapeMismatch when inner sizes differ, kDTypeMismatch when
// dtypes do.
#pragma once

#include "sconce/tensor/tensor.h"

namespace sconce {

// (..., n, k) x (..., k, m) -> (..., n, m) with broadcast batch dimensions; 1-D operands are vectors.
Tensor matmul(const Tensor& a, const Tensor& b);
// (n, k) x (k, m) -> (n, m).
Tensor mm(const Tensor& a, const Tensor& b);
// (b, n, k) x (b, k, m) -> (b, n, m).
Tensor bmm(const Tensor& a, const Tensor& b);
// bias + a x b; bias broadcasts to (n, m).
Tensor addmm(const Tensor& bias, const Tensor& a, const Tensor& b);
// x (..., in) with weight (out, in) and bias (out,) or undefined -> (..., out).
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace sconce
