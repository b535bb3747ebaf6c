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

// PyTorch's arange (aten/src/ATen/native/cpu/RangeFactoriesKernel.cpp): whole pairs of vectors step from each
// vector's first element, which is rounded to T; the rest is computed one by one. All with fused products.
template <class T>
Array floating_range(double start, double step, std::int64_t size) {
  constexpr std::int64_t kWidth = static_cast<std::int64_t>(32 / sizeof(T));
  Array out = Array::empty({size}, dtype_of<T>);
  T* values = out.mutable_data<T>();
  const std::int64_t paired = size / (2 * kWidth) * (2 * kWidth);
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int64_t lane = i < paired ? i % kWidth : 0;
    const double first = std::fma(step, static_cast<double>(i - lane), start);
    values[i] = lane == 0 ? static_cast<T>(first)
                          : static_cast<T>(std::fma(static_cast<double>(lane), step,
                                                    static_cast<double>(static_cast<T>(first))));
  }
  return out;
}

Array integer_range(std::int64_t start, std::int64_t step, std::int64_t size) {
  Array out = Array::empty({size}, kInt64);
  auto* values = out.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < size; ++i) values[i] = start + i * step;
  return out;
}

// From both ends towards the middle, so that the ends are exact; fused, as PyTorch's kernel is.
template <class T>
Array floating_linspace(T start, T end, std::int64_t steps) {
  Array out = Array::empty({steps}, dtype_of<T>);
  T* values = out.mutable_data<T>();
  const T step = steps > 1 ? (end - start) / static_cast<T>(steps - 1) : T(0);
  for (std::int64_t i = 0; i < steps; ++i) {
    values[i] = i < steps / 2 || steps == 1 ? std::fma(step, static_cast<T>(i), start)
                                            : std::fma(-step, static_cast<T>(steps - 1 - i), end);
  }
  return out;
}

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

Tensor full(const Shape& shape, Scalar value) {
  return full(shape, value, {.dtype = value.dtype() == kFloat64 ? kFloat32 : value.dtype()});
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
  const DType dtype = options.dtype;
  if (is_integral(dtype)) {
    const auto integer = [](Scalar value) { return value.to_array(kInt64).item<std::int64_t>(); };
    return finish(integer_range(integer(start), integer(step), size).cast(dtype), options);
  }
  const Array values = dtype == kFloat64 ? floating_range<double>(start.to_double(), step.to_double(), size)
                                         : floating_range<float>(start.to_double(), step.to_double(), size);
  return finish(values.cast(dtype), options);
}

Tensor linspace(double start, double end, std::int64_t steps, const TensorOptions& options) {
  require(steps >= 0, ErrorCode::kInvalidArgument, "linspace", "the number of steps is negative: ", steps);
  const DType dtype = options.dtype;
  const bool narrow = is_floating(dtype) && dtype != kFloat64;
  const Array values = narrow ? floating_linspace(static_cast<float>(start), static_cast<float>(end), steps)
                              : floating_linspace(start, end, steps);
  return finish(values.cast(dtype), options);
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
