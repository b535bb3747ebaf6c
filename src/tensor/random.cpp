#include "sconce/tensor/random.h"

namespace sconce {

Tensor rand(const Shape& shape, const TensorOptions& options, Generator& generator) {
  Tensor out = empty(shape, options);
  kernels::uniform(out.mutable_array(), 0, 1, generator);
  return out;
}

Tensor randn(const Shape& shape, const TensorOptions& options, Generator& generator) {
  Tensor out = empty(shape, options);
  kernels::normal(out.mutable_array(), 0, 1, generator);
  return out;
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, const TensorOptions& options,
               Generator& generator) {
  Tensor out = empty(shape, options);
  kernels::randint(out.mutable_array(), low, high, generator);
  return out;
}

Tensor randperm(std::int64_t n, Generator& generator) { return kernels::randperm(n, generator); }

Tensor bernoulli(const Tensor& p, Generator& generator) {
  Tensor out = empty_like(p);
  kernels::bernoulli(out.mutable_array(), p.array(), generator);
  return out;
}

Tensor rand_like(const Tensor& x, Generator& generator) {
  return rand(x.shape(), {.dtype = x.dtype()}, generator);
}

Tensor randn_like(const Tensor& x, Generator& generator) {
  return randn(x.shape(), {.dtype = x.dtype()}, generator);
}

}  // namespace sconce
