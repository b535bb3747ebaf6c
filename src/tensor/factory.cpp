#include "sconce/tensor/factory.h"

#include <cmath>

namespace sconce {
namespace {

Tensor finish(Array array, const TensorOptions& options) {
  Tensor out(std::move(array));
  if (options.requires_grad) out.set_requires_grad();
  return out;
}

template <class T>
Tensor literal(std::initializer_list<T> values) {
  return Array::from(values, {static_cast<std::int64_t>(values.size())});
}

// Elements of arange: ceil((end - start) / step).
std::int64_t arange_size(Scalar start, Scalar end, Scalar step) {
  const double from = start.to_double();
  const double to = end.to_double();
  const double by = step.to_double();
  require(std::isfinite(from) && std::isfinite(to) && std::isfinite(by) && by != 0,
          ErrorCode::kInvalidArgument, "arange", "expected finite bounds and a step other than 0, got ", from,
          ", ", to, ", ", by);
  require((to - from) / by >= 0, ErrorCode::kInvalidArgument, "arange", "a step of ", by,
          " does not lead from ", from, " to ", to);
  const double size = std::ceil((to - from) / by);
  require(size < 1e15, ErrorCode::kOverflow, "arange", "too many elements: ", size);
  return static_cast<std::int64_t>(size);
}

bool is_integer(Scalar value) { return value.dtype() != kFloat64; }

}  // namespace

Tensor empty(const Shape& shape, const TensorOptions& options) {
  return finish(Array::empty(shape, options.dtype), options);
}

Tensor zeros(const Shape& shape, const TensorOptions& options) {
  return finish(Array::zeros(shape, options.dtype), options);
}

Tensor ones(const Shape& shape, const TensorOptions& options) {
  return finish(Array::ones(shape, options.dtype), options);
}

Tensor full(const Shape& shape, Scalar value, const TensorOptions& options) {
  Array out = Array::empty(shape, options.dtype);
  out.copy_from(value.to_array(options.dtype));
  return finish(std::move(out), options);
}

Tensor eye(std::int64_t n, const TensorOptions& options) { return eye(n, n, options); }

Tensor eye(std::int64_t rows, std::int64_t columns, const TensorOptions& options) {
  Array out = Array::zeros({rows, columns}, options.dtype);
  const std::int64_t length = std::min(rows, columns);
  if (length > 0) out.with_geometry({{length}, {columns + 1}, 0}).fill(1);
  return finish(std::move(out), options);
}

Tensor arange(Scalar end) { return arange(0, end); }

Tensor arange(Scalar start, Scalar end, Scalar step) {
  const bool integers = is_integer(start) && is_integer(end) && is_integer(step);
  return arange(start, end, step, {.dtype = integers ? kInt64 : kFloat32});
}

Tensor arange(Scalar start, Scalar end, Scalar step, const TensorOptions& options) {
  const std::int64_t size = arange_size(start, end, step);
  std::vector<double> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = start.to_double() + static_cast<double>(i) * step.to_double();
  }
  return finish(Array::from(values, {size}).cast(options.dtype), options);
}

Tensor linspace(double start, double end, std::int64_t steps, const TensorOptions& options) {
  require(steps >= 0, ErrorCode::kInvalidArgument, "linspace", "the number of steps is negative: ", steps);
  // From both ends towards the middle, as PyTorch does, so that the ends are exact.
  std::vector<double> values(static_cast<std::size_t>(steps));
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  for (std::int64_t i = 0; i < steps; ++i) {
    values[static_cast<std::size_t>(i)] = i < steps / 2 || steps == 1
                                              ? start + step * static_cast<double>(i)
                                              : end - step * static_cast<double>(steps - 1 - i);
  }
  return finish(Array::from(values, {steps}).cast(options.dtype), options);
}

Tensor empty_like(const Tensor& x) { return empty(x.shape(), {.dtype = x.dtype()}); }
Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), {.dtype = x.dtype()}); }
Tensor ones_like(const Tensor& x) { return ones(x.shape(), {.dtype = x.dtype()}); }
Tensor full_like(const Tensor& x, Scalar value) { return full(x.shape(), value, {.dtype = x.dtype()}); }

Tensor tensor(std::initializer_list<float> values) { return literal(values); }
Tensor tensor(std::initializer_list<double> values) { return literal(values).to(kFloat32); }
Tensor tensor(std::initializer_list<int> values) { return literal<std::int32_t>(values).to(kInt64); }
Tensor tensor(std::initializer_list<std::int64_t> values) { return literal(values); }
Tensor tensor(std::initializer_list<bool> values) { return literal(values); }

Tensor tensor(Scalar value) { return value.to_array(value.dtype() == kFloat64 ? kFloat32 : value.dtype()); }
Tensor tensor(Scalar value, const TensorOptions& options) {
  return finish(value.to_array(options.dtype), options);
}

}  // namespace sconce
