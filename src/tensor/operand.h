// What a derivative remembers of an operand that was promoted and broadcast.
#pragma once

#include "sconce/tensor/reduce.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

struct Operand {
  explicit Operand(const Tensor& x) : shape(x.shape()), dtype(x.dtype()) {}
  // The gradient of the promoted, broadcast operand as that of the operand itself.
  Tensor reduce(const Tensor& grad) const { return sum_to(grad, shape).to(dtype); }
  Shape shape;
  DType dtype;
};

}  // namespace sconce
