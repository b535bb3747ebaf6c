// Moving elements by index. Indices are int64 (Error kDTypeMismatch) and checked (Error kIndexOutOfRange);
// negative ones are out of range, as in PyTorch. Data of any dtype unless a function adds.
#pragma once

#include <cstdint>
#include <span>

#include "sconce/core/array.h"

namespace sconce::kernels {

// Arrays of one dtype and of equal sizes outside `dim`, side by side along it. Error kShapeMismatch.
Array cat(std::span<const Array> arrays, std::int64_t dim);

// out[..., i, ...] = x[..., index[i], ...] along dim; index (k,) or ().
Array index_select(const Array& x, std::int64_t dim, const Array& index);
// target[..., index[i], ...] += source[..., i, ...], in the order of i.
void index_add(Array& target, std::int64_t dim, const Array& index, const Array& source);

// out[i][j] = x[index[i][j]][j] for dim 0, of the index's shape. The index has x's rank (kShapeMismatch) and,
// outside dim, sizes no larger than x's.
Array gather(const Array& x, std::int64_t dim, const Array& index);
// target[index[i][j]][j] = source[i][j] for dim 0, or += for scatter_add, in row-major order of the index.
void scatter(Array& target, std::int64_t dim, const Array& index, const Array& source);
void scatter_add(Array& target, std::int64_t dim, const Array& index, const Array& source);

// The order that sorts x along dim, int64; stable, NaN counts as the largest.
Array argsort(const Array& x, std::int64_t dim, bool descending);

}  // namespace sconce::kernels
