#include "sconce/kernels/reduce.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/reduce.h"

namespace sconce {

Tensor sum(const Tensor& x) { return sum(x, Dims{}); }
Tensor sum(const Tensor& x, std::int64_t dim, bool keepdim) { return sum(x, Dims{dim}, keepdim); }

Tensor sum(const Tensor& x, const Dims& dims, bool keepdim) {
  Tensor y = kernels::sum(x.array(), dims, keepdim);
  if (needs_grad(x)) {
    const auto reduced = kernels::reduced_dims(dims, x.rank(), "sum");
    record(y, "sum", {x},
           [shape = x.shape(), kept = kernels::reduced_shape(x.shape(), reduced, true)](Backward& pass) {
             pass.set(0, pass.grad().view(kept).expand(shape));
           });
  }
  return y;
}

Tensor mean(const Tensor& x) { return mean(x, Dims{}); }
Tensor mean(const Tensor& x, std::int64_t dim, bool keepdim) { return mean(x, Dims{dim}, keepdim); }

Tensor mean(const Tensor& x, const Dims& dims, bool keepdim) {
  require(is_floating(x.dtype()), ErrorCode::kDTypeMismatch, "mean", "needs a floating dtype, found ",
          x.dtype());
  const auto reduced = kernels::reduced_dims(dims, x.rank(), "mean");
  return div(sum(x, dims, keepdim), kernels::reduced_count(x.shape(), reduced));
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const std::size_t added = x.rank() - shape.size();
  Dims dims;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    if (i < added || (shape[i - added] == 1 && x.shape()[i] != 1))
      dims.push_back(static_cast<std::int64_t>(i));
  }
  // The grad may have a leading size 1 where nothing was summed: then only the shape differs.
  return (dims.empty() ? x : sum(x, dims, true)).reshape(shape);
}

}  // namespace sconce
