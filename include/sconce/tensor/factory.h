// New tensors.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "sconce/tensor/tensor.h"

namespace sconce {

struct TensorOptions {
  DType dtype = kFloat32;
  bool requires_grad = false;
};

Tensor empty(const Shape& shape, const TensorOptions& options = {});  // elements unspecified
Tensor zeros(const Shape& shape, const TensorOptions& options = {});
Tensor ones(const Shape& shape, const TensorOptions& options = {});
// bool, int64 or float32, whichever holds the kind of `value`, unless a dtype is named.
Tensor full(const Shape& shape, Scalar value);
Tensor full(const Shape& shape, Scalar value, const TensorOptions& options);
Tensor eye(std::int64_t n, const TensorOptions& options = {});
Tensor eye(std::int64_t rows, std::int64_t columns, const TensorOptions& options = {});
// start, start + step, ... below end; ceil((end - start) / step) elements. int64 when all three are integers,
// float32 otherwise, unless a dtype is named.
Tensor arange(Scalar end);
Tensor arange(Scalar start, Scalar end, Scalar step = 1);
Tensor arange(Scalar start, Scalar end, Scalar step, const TensorOptions& options);
// `steps` evenly spaced values from start to end, both included.
Tensor linspace(double start, double end, std::int64_t steps, const TensorOptions& options = {});
// Same shape and dtype as x.
Tensor empty_like(const Tensor& x);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
Tensor full_like(const Tensor& x, Scalar value);

// Literal values in row-major order: tensor({1.0F, 2.0F}), tensor({1, 2, 3, 4}, {2, 2}). int becomes int64
// and double becomes float32, as in PyTorch; name a dtype to choose another.
Tensor tensor(std::initializer_list<float> values);
Tensor tensor(std::initializer_list<double> values);
Tensor tensor(std::initializer_list<int> values);
Tensor tensor(std::initializer_list<std::int64_t> values);
Tensor tensor(std::initializer_list<bool> values);
Tensor tensor(Scalar value);
Tensor tensor(Scalar value, const TensorOptions& options);
// 1-d, from a vector.
template <class T>
Tensor tensor(const std::vector<T>& values) {
  return Array::from(values, {static_cast<std::int64_t>(values.size())});
}
// Of a shape, from a vector.
template <class T>
Tensor tensor(const std::vector<T>& values, const Shape& shape) {
  return Array::from(values, shape);
}

}  // namespace sconce
