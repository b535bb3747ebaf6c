#include "sconce/tensor/reduce.h"

#include <cmath>
#include <limits>
#include <utility>

#include "sconce/kernels/elementwise.h"
#include "sconce/kernels/reduce.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/indexing.h"

namespace sconce {
namespace {

// How to bring what a reduction made back to the rank of its input.
struct Reduction {
  Reduction(const Tensor& x, const Dims& dims, std::string_view where) : shape(x.shape()) {
    const auto reduced = kernels::reduced_dims(dims, x.rank(), where);
    kept = kernels::reduced_shape(shape, reduced, true);
    count = kernels::reduced_count(shape, reduced);
  }
  // `y`, of the reduced shape, with its dimensions of size 1 back in place: broadcasts against the input.
  Tensor restore(const Tensor& y) const { return y.reshape(kept); }
  Shape shape;
  Shape kept;
  std::int64_t count;
};

}  // namespace

Tensor var(const Tensor& x, double correction) { return var(x, Dims{}, correction); }

namespace {

// Gradient of var() with respect to `value`, given that with respect to its result, at its input's rank.
Tensor var_backward(const Tensor& grad, const Tensor& value, const Dims& dims, double degrees) {
  return grad * (2 / std::max(0.0, degrees)) * (value - mean(value, dims, true));
}

}  // namespace

Tensor var(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  Tensor y = kernels::var(x.array(), dims, keepdim, correction);
  if (needs_grad(x)) {
    record(y, "var", {x}, [x = Saved(x), r = Reduction(x, dims, "var"), dims, correction](Backward& pass) {
      const double degrees = static_cast<double>(r.count) - correction;
      pass.set(0, var_backward(r.restore(pass.grad()), x.get(pass), dims, degrees));
    });
  }
  return y;
}

Tensor stddev(const Tensor& x, double correction) { return stddev(x, Dims{}, correction); }

Tensor stddev(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  Tensor y = kernels::sqrt(kernels::var(x.array(), dims, keepdim, correction));
  if (needs_grad(x)) {
    record(y, "std", {x},
           [x = Saved(x), y = Saved::output(y), r = Reduction(x, dims, "std"), dims,
            correction](Backward& pass) {
             const double degrees = static_cast<double>(r.count) - correction;
             const Tensor spread = r.restore(y.get(pass));
             // Where all are equal there is no slope: PyTorch's gradient is zero there, as for a norm.
             const Tensor grad =
                 masked_fill(r.restore(pass.grad()) / (spread * 2), spread.detach() == Scalar(0), 0);
             pass.set(0, var_backward(grad, x.get(pass), dims, degrees));
           });
  }
  return y;
}

Tensor norm(const Tensor& x, double p) { return norm(x, p, Dims{}); }

Tensor norm(const Tensor& x, double p, const Dims& dims, bool keepdim) {
  Tensor y = kernels::norm(x.array(), dims, keepdim, p);
  if (needs_grad(x)) {
    record(y, "norm", {x},
           [x = Saved(x), y = Saved::output(y), r = Reduction(x, dims, "norm"), p, dims](Backward& pass) {
             if (p == 0) return;  // a count: it has no slope
             const Tensor value = x.get(pass);
             const Tensor length = r.restore(y.get(pass));
             const Tensor grad = r.restore(pass.grad());
             if (p == 1) {
               pass.set(0, grad * sign(value));
             } else if (p == std::numeric_limits<double>::infinity()) {
               const Tensor is_largest =
                   logical_or(abs(value) == length, logical_and(isnan(value), isnan(length)));
               const Tensor largest = is_largest.detach().to(value.dtype());
               pass.set(0, grad / sum(largest, dims, true) * largest * sign(value));
             } else if (p < 1) {
               // A zero among others has an infinite slope: its gradient counts as zero.
               const Tensor slope = sign(value) * masked_fill(pow(abs(value), p - 1), value == Scalar(0), 0);
               pass.set(0, grad * slope * pow(length, 1 - p));
             } else {
               // A vector of zeros has no direction: its gradient counts as zero.
               const Tensor slope =
                   p == 2 ? value / length : sign(value) * pow(abs(value), p - 1) / pow(length, p - 1);
               pass.set(0, grad * masked_fill(slope, length == Scalar(0), 0));
             }
           });
  }
  return y;
}

namespace {

// d(product)/dx[i] is the product of the others. With a zero among them they are multiplied, not divided.
Tensor products_of_others(const Tensor& rows) {
  const std::int64_t n = rows.size(-1);
  const Tensor one = ones_like(rows.narrow(-1, 0, 1));
  std::vector<Tensor> before{one};
  std::vector<Tensor> after{one};
  for (std::int64_t i = 1; i < n; ++i) {
    before.push_back(before.back() * rows.narrow(-1, i - 1, 1));
    after.push_back(after.back() * rows.narrow(-1, n - i, 1));
  }
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < before.size(); ++i) out.push_back(before[i] * after[before.size() - 1 - i]);
  return cat(out, -1);
}

// d(product)/dx[i] along `dim`, by PyTorch's formula: they agree also about NaN and infinity.
Tensor prod_slope(const Tensor& value, const Tensor& product, std::int64_t dim) {
  if (!any(value == Scalar(0)).item<bool>()) return product / value;
  return products_of_others(value.transpose(dim, -1)).transpose(dim, -1);
}

}  // namespace

Tensor prod(const Tensor& x) {
  Tensor y = kernels::prod(x.array(), {}, false);
  if (needs_grad(x)) {
    record(y, "prod", {x}, [x = Saved(x), y = Saved::output(y)](Backward& pass) {
      const Tensor value = x.get(pass);
      if (value.numel() == 0) return pass.set(0, zeros_like(value));
      pass.set(0, pass.grad() * prod_slope(value.reshape({-1}), y.get(pass), 0).reshape(value.shape()));
    });
  }
  return y;
}

Tensor prod(const Tensor& x, std::int64_t dim, bool keepdim) {
  if (x.rank() == 0) return prod(x);
  Tensor y = kernels::prod(x.array(), {dim}, keepdim);
  if (needs_grad(x)) {
    record(y, "prod", {x},
           [x = Saved(x), y = Saved::output(y), r = Reduction(x, {dim}, "prod"), dim](Backward& pass) {
             const Tensor value = x.get(pass);
             if (value.numel() == 0) return pass.set(0, zeros_like(value));
             pass.set(0, r.restore(pass.grad()) * prod_slope(value, r.restore(y.get(pass)), dim));
           });
  }
  return y;
}

namespace {

Tensor extreme(const Tensor& x, std::string_view name, Array found) {
  Tensor y(std::move(found));
  if (needs_grad(x)) {
    record(y, name, {x}, [x = Saved(x), y = Saved::output(y)](Backward& pass) {
      const Tensor best = y.get(pass).detach();
      const Tensor value = x.get(pass).detach();
      const Tensor chosen =
          logical_or(value == best, logical_and(isnan(value), isnan(best))).to(value.dtype());
      pass.set(0, pass.grad() / sum(chosen) * chosen);
    });
  }
  return y;
}

std::pair<Tensor, Tensor> extreme(const Tensor& x, std::string_view name, std::int64_t dim,
                                  std::pair<Array, Array> found) {
  Tensor values(std::move(found.first));
  Tensor indices(std::move(found.second));
  if (needs_grad(x)) {
    record(values, name, {x}, [at = Saved(indices), r = Reduction(x, {dim}, name), dim](Backward& pass) {
      const Tensor index = r.restore(at.get(pass));
      const Tensor nothing = zeros(r.shape, {.dtype = pass.grad().dtype()});
      pass.set(0, scatter_add(nothing, dim, index, r.restore(pass.grad())));
    });
  }
  return {values, indices};
}

}  // namespace

Tensor max(const Tensor& x) { return extreme(x, "max", kernels::max(x.array(), {}, false)); }
Tensor min(const Tensor& x) { return extreme(x, "min", kernels::min(x.array(), {}, false)); }

std::pair<Tensor, Tensor> max(const Tensor& x, std::int64_t dim, bool keepdim) {
  return extreme(x, "max", dim, kernels::max_with_index(x.array(), dim, keepdim));
}

std::pair<Tensor, Tensor> min(const Tensor& x, std::int64_t dim, bool keepdim) {
  return extreme(x, "min", dim, kernels::min_with_index(x.array(), dim, keepdim));
}

Tensor argmax(const Tensor& x) { return kernels::max_with_index(x.array().flatten(), 0, false).second; }
Tensor argmin(const Tensor& x) { return kernels::min_with_index(x.array().flatten(), 0, false).second; }

Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim) {
  return kernels::max_with_index(x.array(), dim, keepdim).second;
}

Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim) {
  return kernels::min_with_index(x.array(), dim, keepdim).second;
}

Tensor all(const Tensor& x) { return kernels::all(x.array(), {}, false); }
Tensor any(const Tensor& x) { return kernels::any(x.array(), {}, false); }
Tensor all(const Tensor& x, std::int64_t dim, bool keepdim) {
  return kernels::all(x.array(), {dim}, keepdim);
}
Tensor any(const Tensor& x, std::int64_t dim, bool keepdim) {
  return kernels::any(x.array(), {dim}, keepdim);
}

}  // namespace sconce
