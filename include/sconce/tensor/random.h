// Random tensors, drawn from the default generator or a given one; the values are PyTorch's for the same
// seed.
#pragma once

#include <cstdint>

#include "sconce/kernels/random.h"
#include "sconce/tensor/factory.h"

namespace sconce {

// Uniform in [0, 1).
Tensor rand(const Shape& shape, const TensorOptions& options = {},
            Generator& generator = default_generator());
// Standard normal.
Tensor randn(const Shape& shape, const TensorOptions& options = {},
             Generator& generator = default_generator());
// Integers in [low, high).
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape,
               const TensorOptions& options = {.dtype = kInt64}, Generator& generator = default_generator());
// A random order of 0..n-1, int64, shape (n,).
Tensor randperm(std::int64_t n, Generator& generator = default_generator());
// 1 with the probability that stands in `p`, else 0; shape and dtype of p. No gradient.
Tensor bernoulli(const Tensor& p, Generator& generator = default_generator());
Tensor rand_like(const Tensor& x, Generator& generator = default_generator());
Tensor randn_like(const Tensor& x, Generator& generator = default_generator());

}  // namespace sconce
