#include "sconce/tensor/softmax.h"

#include "sconce/kernels/softmax.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/reduce.h"

namespace sconce {

Tensor softmax(const Tensor& x, std::int64_t dim) {
  Tensor y = kernels::softmax(x.array(), dim);
  if (needs_grad(x)) {
    record(y, "softmax", {x}, [y = Saved::output(y), dim](Backward& pass) {
      const Tensor& grad = pass.grad();
      const Tensor out = y.get(pass);
      pass.set(0, is_grad_enabled() ? out * (grad - sum(grad * out, dim, true))
                                    : Tensor(kernels::softmax_backward(grad.array(), out.array(), dim)));
    });
  }
  return y;
}

Tensor log_softmax(const Tensor& x, std::int64_t dim) {
  Tensor y = kernels::log_softmax(x.array(), dim);
  if (needs_grad(x)) {
    record(y, "log_softmax", {x}, [y = Saved::output(y), dim](Backward& pass) {
      const Tensor& grad = pass.grad();
      const Tensor out = y.get(pass);
      pass.set(0, is_grad_enabled() ? grad - exp(out) * sum(grad, dim, true)
                                    : Tensor(kernels::log_softmax_backward(grad.array(), out.array(), dim)));
    });
  }
  return y;
}

}  // namespace sconce
