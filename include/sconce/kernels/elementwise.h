// Elementwise kernels on arrays of one dtype, which broadcast against each other; results are new contiguous
// arrays. Any strides. Arithmetic covers integers, float32 and float64; float16 and bfloat16 are computed in
// float32 and rounded. Error kDTypeMismatch for what an operation does not cover, kShapeMismatch for shapes
// that do not broadcast.
#pragma once

#include <limits>

#include "sconce/core/array.h"

namespace sconce::kernels {

Array add(const Array& a, const Array& b);
Array sub(const Array& a, const Array& b);
Array mul(const Array& a, const Array& b);
Array div(const Array& a, const Array& b);
// fma(alpha, b, a), alpha rounded to the dtype first.
Array add_scaled(const Array& a, const Array& b, double alpha);
Array pow(const Array& base, const Array& exponent);
Array maximum(const Array& a, const Array& b);  // NaN wins
Array minimum(const Array& a, const Array& b);

Array neg(const Array& x);
Array abs(const Array& x);
Array sign(const Array& x);
Array square(const Array& x);
// Floating dtypes only.
Array exp(const Array& x);
Array log(const Array& x);
Array sqrt(const Array& x);
Array reciprocal(const Array& x);
Array sin(const Array& x);
Array cos(const Array& x);
Array tanh(const Array& x);
Array sigmoid(const Array& x);
Array relu(const Array& x);  // max(x, 0); NaN stays
void relu_into(Array& x);    // the same in x's memory

// grad where out > 0, otherwise 0: the derivative of relu.
// In the memory of `grad` where nobody else holds it.
Array relu_backward(Array grad, const Array& out);
// grad * (1 - out * out), grad * (1 - out) * out: the derivatives of tanh and sigmoid by their results.
Array tanh_backward(const Array& grad, const Array& out);
Array sigmoid_backward(const Array& grad, const Array& out);

// Bool results.
Array eq(const Array& a, const Array& b);
Array ne(const Array& a, const Array& b);
Array lt(const Array& a, const Array& b);
Array le(const Array& a, const Array& b);
Array gt(const Array& a, const Array& b);
Array ge(const Array& a, const Array& b);
Array isnan(const Array& x);
Array logical_and(const Array& a, const Array& b);
Array logical_or(const Array& a, const Array& b);
Array logical_not(const Array& x);

// a where the bool array `condition` holds, b elsewhere; all three broadcast.
Array where(const Array& condition, const Array& a, const Array& b);

// target = target + source (and so on), source broadcast to the target's shape and of its dtype.
void add_into(Array& target, const Array& source);
void add_scaled_into(Array& target, const Array& source, double alpha);
void mul_into(Array& target, const Array& source);
void div_into(Array& target, const Array& source);

// True when a floating array holds a NaN; false for other dtypes.
bool has_nan(const Array& x);

}  // namespace sconce::kernels
