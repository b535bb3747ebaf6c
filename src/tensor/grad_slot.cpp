#include <utility>

#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"

namespace sconce {

GradSlot::GradSlot(const Shape& shape, DType dtype) : Node("leaf", 0, 1), shape_(shape), dtype_(dtype) {}

void GradSlot::backward(Backward& pass) { accumulate(pass.grad()); }

void GradSlot::check(const Tensor& grad) const {
  require(grad.shape() == shape_, ErrorCode::kShapeMismatch, "grad", "the tensor has shape ", shape_,
          ", its gradient ", grad.shape());
  require(grad.dtype() == dtype_, ErrorCode::kDTypeMismatch, "grad", "the tensor is ", dtype_,
          ", its gradient ", grad.dtype());
}

void GradSlot::set_grad(Tensor grad) {
  if (grad.defined()) check(grad);
  grad_ = std::move(grad);
}

void GradSlot::accumulate(Tensor grad) {
  check(grad);
  if (grad_.defined()) {
    if (!is_grad_enabled() && grad_.is_contiguous()) {
      kernels::add_into(grad_.mutable_array(), grad.array());
    } else {
      grad_ = add(grad_, grad);
    }
    return;
  }
  // The first gradient is taken over when nobody else can see its memory, and copied otherwise.
  const bool is_ours = Graph::handles(grad) == 1 && grad.array().storage().use_count() == 1;
  const Tensor own = is_ours && grad.is_contiguous() ? std::move(grad) : grad.clone();
  grad_ = is_grad_enabled() ? own : own.detach();
}

}  // namespace sconce
