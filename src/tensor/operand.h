// What operations share about their operands.
#pragma once

#include <optional>

#include "sconce/tensor/reduce.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

// What a derivative remembers of an operand that was promoted and broadcast.
struct Operand {
  explicit Operand(const Tensor& x) : shape(x.shape()), dtype(x.dtype()) {}
  // The gradient of the promoted, broadcast operand as that of the operand itself.
  Tensor reduce(Tensor grad) const {
    if (grad.shape() == shape && grad.dtype() == dtype) return grad;
    return sum_to(grad, shape).to(dtype);
  }
  Shape shape;
  DType dtype;
};

// An array in the dtype of an operation: itself where it has it already, which copies not even the handle.
class InDType {
 public:
  InDType(const Array& x, DType dtype) : array_(x.dtype() == dtype ? x : room_.emplace(x.cast(dtype))) {}
  InDType(const InDType&) = delete;
  InDType& operator=(const InDType&) = delete;
  operator const Array&() const { return array_; }

 private:
  std::optional<Array> room_;
  const Array& array_;
};

// Of an operand that may be left out, such as a bias.
inline Array array_or_none(const Tensor& tensor) { return tensor.defined() ? tensor.array() : Array(); }

}  // namespace sconce
