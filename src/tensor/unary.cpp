#include <utility>

#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/promote.h"
#include "tensor/in_blocks.h"
#include "tensor/scattered.h"
#include "tensor/unseen.h"

namespace sconce {
namespace {

// Transcendental functions of integers are computed in float32.
Array floating(const Tensor& x) { return is_integral(x.dtype()) ? x.array().cast(kFloat32) : x.array(); }

}  // namespace

Tensor neg(const Tensor& x) {
  Tensor y = kernels::neg(x.array());
  if (needs_grad(x)) {
    record(y, "neg", {x}, [](Backward& pass) { pass.set(0, neg(pass.grad())); });
  }
  return y;
}

Tensor abs(const Tensor& x) {
  Tensor y = kernels::abs(x.array());
  if (needs_grad(x)) {
    record(y, "abs", {x}, [x = Saved(x)](Backward& pass) { pass.set(0, pass.grad() * sign(x.get(pass))); });
  }
  return y;
}

Tensor sign(const Tensor& x) {
  Tensor y = kernels::sign(x.array());
  if (needs_grad(x)) {
    record(y, "sign", {x}, [](Backward& pass) { pass.set(0, mul(pass.grad(), 0.0)); });
  }
  return y;
}

Tensor exp(const Tensor& x) {
  Tensor y = kernels::exp(floating(x));
  if (needs_grad(x)) {
    record(y, "exp", {x}, [y = Saved::output(y)](Backward& pass) { pass.set(0, pass.grad() * y.get(pass)); });
  }
  return y;
}

Tensor log(const Tensor& x) {
  Tensor y = kernels::log(floating(x));
  if (needs_grad(x)) {
    record(y, "log", {x}, [x = Saved(x)](Backward& pass) { pass.set(0, pass.grad() / x.get(pass)); });
  }
  return y;
}

Tensor sqrt(const Tensor& x) {
  Tensor y = kernels::sqrt(floating(x));
  if (needs_grad(x)) {
    record(y, "sqrt", {x},
           [y = Saved::output(y)](Backward& pass) { pass.set(0, pass.grad() / mul(y.get(pass), 2)); });
  }
  return y;
}

Tensor reciprocal(const Tensor& x) {
  Tensor y = kernels::reciprocal(floating(x));
  if (needs_grad(x)) {
    record(y, "reciprocal", {x}, [y = Saved::output(y)](Backward& pass) {
      const Tensor result = y.get(pass);
      pass.set(0, neg(pass.grad()) * (result * result));
    });
  }
  return y;
}

Tensor sin(const Tensor& x) {
  Tensor y = kernels::sin(floating(x));
  if (needs_grad(x)) {
    record(y, "sin", {x}, [x = Saved(x)](Backward& pass) { pass.set(0, pass.grad() * cos(x.get(pass))); });
  }
  return y;
}

Tensor cos(const Tensor& x) {
  Tensor y = kernels::cos(floating(x));
  if (needs_grad(x)) {
    record(y, "cos", {x},
           [x = Saved(x)](Backward& pass) { pass.set(0, pass.grad() * neg(sin(x.get(pass)))); });
  }
  return y;
}

namespace {

// The derivatives of tanh, sigmoid and relu are kernels by the result; recorded with Tensor operations only
// while the backward pass is itself recorded.
Tensor tanh_gradient(const Tensor& grad, const Tensor& y) {
  if (needs_grad(grad, y)) return grad * (Scalar(1) - y * y);
  return kernels::tanh_backward(grad.array(), y.array());
}

Tensor sigmoid_gradient(const Tensor& grad, const Tensor& y) {
  if (needs_grad(grad, y)) return grad * (Scalar(1) - y) * y;
  return kernels::sigmoid_backward(grad.array(), y.array());
}

Tensor relu_gradient(Tensor grad, const Tensor& y) {
  const auto masked = [&](Tensor g) { return map_blocks(std::move(g), y, kernels::relu_backward); };
  if (!needs_grad(grad)) {
    if (auto joined = Scattered::before_relu(grad, y)) return *std::move(joined);
    return masked(std::move(grad));
  }
  Tensor out = masked(grad);
  record(out, "relu_backward", {grad},
         [y = Saved(y)](Backward& pass) { pass.set(0, relu_gradient(pass.take_grad(), y.get(pass))); });
  return out;
}

}  // namespace

Tensor tanh(const Tensor& x) {
  Tensor y = kernels::tanh(floating(x));
  if (needs_grad(x)) {
    record(y, "tanh", {x},
           [y = Saved::output(y)](Backward& pass) { pass.set(0, tanh_gradient(pass.grad(), y.get(pass))); });
  }
  return y;
}

Tensor sigmoid(const Tensor& x) {
  Tensor y = kernels::sigmoid(floating(x));
  if (needs_grad(x)) {
    record(y, "sigmoid", {x}, [y = Saved::output(y)](Backward& pass) {
      pass.set(0, sigmoid_gradient(pass.grad(), y.get(pass)));
    });
  }
  return y;
}

Tensor relu(const Tensor& x) {
  Tensor y = InBlocks::stands(x) ? InBlocks::relu(x) : Unseen::relu(x);
  if (needs_grad(x)) {
    record(y, "relu", {x}, [y = Saved::output(y)](Backward& pass) {
      pass.set(0, relu_gradient(pass.take_grad(), y.get(pass)));
    });
  }
  return y;
}

Tensor square(const Tensor& x) {
  Tensor y = kernels::square(x.array());
  if (needs_grad(x)) {
    record(y, "square", {x},
           [x = Saved(x)](Backward& pass) { pass.set(0, pass.grad() * mul(x.get(pass), 2)); });
  }
  return y;
}

}  // namespace sconce
