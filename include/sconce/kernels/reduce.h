// Reductions of arrays. `dims` names the dimensions that go (negative counts from the end, none means all);
// keepdim leaves them with size 1. Any strides; results are new contiguous arrays.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/core/array.h"

namespace sconce::kernels {

// For each dimension of `rank`, whether `dims` names it. Errors: kIndexOutOfRange, kInvalidArgument (named
// twice).
std::vector<bool> reduced_dims(const Dims& dims, std::size_t rank, std::string_view where);
// `shape` without the reduced dimensions, or with size 1 in their place.
Shape reduced_shape(const Shape& shape, const std::vector<bool>& reduced, bool keepdim);
// How many elements become one.
std::int64_t reduced_count(const Shape& shape, const std::vector<bool>& reduced);

// Sums in the dtype of x (integers and bool: int64). float32 adds in PyTorch's order, so the bits agree with
// PyTorch's on one thread, whatever the number of threads here.
Array sum(const Array& x, const Dims& dims, bool keepdim);
Array prod(const Array& x, const Dims& dims, bool keepdim);
// Sum of squared distances from the mean over (n - correction), accumulated in double.
Array var(const Array& x, const Dims& dims, bool keepdim, double correction);
// (sum |x|^p)^(1/p), accumulated in double; p may be 0 (count of nonzeros) or infinity (largest).
Array norm(const Array& x, const Dims& dims, bool keepdim, double p);
// Extreme values; NaN wins. Error kInvalidArgument when there are no elements to choose from.
Array max(const Array& x, const Dims& dims, bool keepdim);
Array min(const Array& x, const Dims& dims, bool keepdim);
// Extreme values along one dimension and their positions (int64; the first of equals).
std::pair<Array, Array> max_with_index(const Array& x, std::int64_t dim, bool keepdim);
std::pair<Array, Array> min_with_index(const Array& x, std::int64_t dim, bool keepdim);
// Bool results.
Array all(const Array& x, const Dims& dims, bool keepdim);
Array any(const Array& x, const Dims& dims, bool keepdim);

namespace reference {

// The sum of each output's elements one after the other, in double or int64: what the fast order is held
// against.
Array sum(const Array& x, const Dims& dims, bool keepdim);

}  // namespace reference

}  // namespace sconce::kernels
