// Matrix products of float32 and float64 arrays. Any strides: transposed operands are not copied.
#pragma once

#include "sconce/core/array.h"

namespace sconce::kernels {

// (n, k) x (k, m) -> (n, m); float16 and bfloat16 are computed in float32. Errors: kShapeMismatch,
// kDTypeMismatch.
Array matmul(const Array& a, const Array& b);
// (batch, n, k) x (batch, k, m) -> (batch, n, m).
Array batched_matmul(const Array& a, const Array& b);
// target (n, m) += a (n, k) x b (k, m); the target is contiguous. What linear adds to its broadcast bias, and
// what accumulates a weight's gradient.
void matmul_into(Array& target, const Array& a, const Array& b);

namespace reference {

// One product after the other, accumulated in double: the oracle.
Array matmul(const Array& a, const Array& b);

}  // namespace reference

}  // namespace sconce::kernels
