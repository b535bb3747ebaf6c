#include "sconce/tensor/pad.h"

#include "sconce/tensor/autograd.h"

namespace sconce {
namespace {

// The transpose of padding, whose own derivative is padding (the constant does not depend on the input).
Tensor pad_backward(const Tensor& grad, const Shape& shape, const Dims& pads, PadMode mode) {
  Tensor out = kernels::pad_backward(grad.array(), shape, pads, mode);
  if (needs_grad(grad)) {
    record(out, "pad_backward", {grad},
           [pads, mode](Backward& pass) { pass.set(0, pad(pass.grad(), pads, mode, 0)); });
  }
  return out;
}

}  // namespace

Tensor pad(const Tensor& x, const Dims& pads, PadMode mode, double value) {
  Tensor out = kernels::pad(x.array(), pads, mode, value);
  if (needs_grad(x)) {
    record(out, "pad", {x}, [shape = x.shape(), pads, mode](Backward& pass) {
      pass.set(0, pad_backward(pass.grad(), shape, pads, mode));
    });
  }
  return out;
}

}  // namespace sconce
