// Reductions over all dimensions, or over `dims` (negative counts from the end). keepdim leaves size 1.
#pragma once

#include <cstdint>
#include <utility>

#include "sconce/tensor/tensor.h"

namespace sconce {

// Sums; integers and bools add up as int64. float32 bits equal PyTorch's.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim = false);
// Means of floating tensors (Error kDTypeMismatch for others).
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor mean(const Tensor& x, const Dims& dims, bool keepdim = false);
// Variance and standard deviation with n - correction in the denominator.
Tensor var(const Tensor& x, double correction = 1);
Tensor var(const Tensor& x, const Dims& dims, double correction = 1, bool keepdim = false);
Tensor stddev(const Tensor& x, double correction = 1);
Tensor stddev(const Tensor& x, const Dims& dims, double correction = 1, bool keepdim = false);
// The p-norm, p >= 0 or infinity.
Tensor norm(const Tensor& x, double p = 2);
Tensor norm(const Tensor& x, double p, const Dims& dims, bool keepdim = false);
Tensor prod(const Tensor& x);
Tensor prod(const Tensor& x, std::int64_t dim, bool keepdim = false);
// Extreme values; NaN wins. Over everything, equal extremes share the gradient. Error kInvalidArgument when
// there is nothing to choose from.
Tensor max(const Tensor& x);
Tensor min(const Tensor& x);
// Extreme values along a dimension and where they stand (int64; the first of equals), which alone gets the
// gradient.
std::pair<Tensor, Tensor> max(const Tensor& x, std::int64_t dim, bool keepdim = false);
std::pair<Tensor, Tensor> min(const Tensor& x, std::int64_t dim, bool keepdim = false);
// Positions (int64) of extremes, in the flattened tensor or along a dimension.
Tensor argmax(const Tensor& x);
Tensor argmin(const Tensor& x);
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim = false);
// Bool results.
Tensor all(const Tensor& x);
Tensor all(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor any(const Tensor& x);
Tensor any(const Tensor& x, std::int64_t dim, bool keepdim = false);

// `x` summed over the dimensions along which `shape` was broadcast to x's shape: the gradient of
// broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace sconce
