#include "sconce/tensor/dropout.h"

#include <algorithm>
#include <numeric>

#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/elementwise.h"

namespace sconce {
namespace {

// An array of x's shape whose memory has x's order of dimensions: random fills follow memory, so the mask of
// a permuted tensor must be permuted too.
Array empty_in_order_of(const Array& x) {
  std::vector<std::size_t> order(x.rank());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return x.strides()[a] > x.strides()[b]; });
  Geometry geometry{x.shape(), Strides(x.rank()), 0};
  std::int64_t stride = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    geometry.strides[order[i]] = stride;
    stride *= std::max<std::int64_t>(x.shape()[order[i]], 1);
  }
  return Array::empty({x.numel()}, x.dtype()).with_geometry(geometry);
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator& generator) {
  require(p >= 0 && p <= 1, ErrorCode::kInvalidArgument, "dropout",
          "dropout probability has to be between 0 and 1, but got ", p);
  require(is_floating(x.dtype()), ErrorCode::kDTypeMismatch, "dropout", "expected a floating tensor, found ",
          x.dtype());
  if (!training || p == 0 || x.numel() == 0) return x;
  if (p == 1) return mul(x, 0.0);
  Array mask = empty_in_order_of(x.array());
  kernels::bernoulli(mask, 1 - p, generator);
  // The division happens on the mask, in its dtype: PyTorch's rounding.
  kernels::div_into(mask, Array::full({}, 1 - p, x.dtype()));
  return x * Tensor(mask);
}

}  // namespace sconce
