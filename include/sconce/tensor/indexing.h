// Joining, splitting, and moving elements by index. Indices are int64 tensors (Error kDTypeMismatch); one
// outside its range is Error kIndexOutOfRange.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "sconce/tensor/tensor.h"

namespace sconce {

// Joins tensors of equal sizes in the other dimensions; dtypes promote.
Tensor cat(std::span<const Tensor> tensors, std::int64_t dim = 0);
Tensor cat(std::initializer_list<Tensor> tensors, std::int64_t dim = 0);
// Joins tensors of equal shape along a new dimension.
Tensor stack(std::span<const Tensor> tensors, std::int64_t dim = 0);
Tensor stack(std::initializer_list<Tensor> tensors, std::int64_t dim = 0);
// Views of `size` along dim (the last may be smaller), of the given sizes, or of about equal parts.
std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t dim = 0);
std::vector<Tensor> split(const Tensor& x, const Dims& sizes, std::int64_t dim = 0);
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim = 0);

// out[..., i, ...] = x[..., index[i], ...]; index (k,).
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
// x with source[..., i, ...] added at [..., index[i], ...].
Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source);
// out[i][j] = x[index[i][j]][j] for dim 0; the index has x's rank, and sizes no larger in other dimensions.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
// x with source[i][j] written (or added) at [index[i][j]][j] for dim 0. Of several writes to one place the
// last stands.
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source);
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source);
// Rows of weight (rows, width) by index of any shape -> index.shape + (width,). The row padding_idx, when not
// negative, gets no gradient.
Tensor embedding(const Tensor& weight, const Tensor& index, std::int64_t padding_idx = -1);
// index.shape + (num_classes,) of int64 with a one at each index; -1 takes the largest index + 1.
Tensor one_hot(const Tensor& index, std::int64_t num_classes = -1);

// The order that sorts x along dim (stable; NaN counts as largest), as int64.
Tensor argsort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
// The k largest (or smallest) elements along dim in order, and where they stand.
std::pair<Tensor, Tensor> topk(const Tensor& x, std::int64_t k, std::int64_t dim = -1, bool largest = true);

}  // namespace sconce
