#include "sconce/tensor/tensor.h"

#include <utility>

#include "sconce/kernels/memory.h"
#include "sconce/tensor/autograd.h"

namespace sconce {
namespace {

// Before main: from the first tensor on.
[[maybe_unused]] const bool kCaching = [] {
  kernels::use_caching_allocator();
  return true;
}();

}  // namespace

Tensor::Tensor(Array array) {
  if (!array.defined()) return;
  impl_ = make_ref<Impl>(std::move(array));
}

void Tensor::fail_undefined() {
  fail(ErrorCode::kState, "tensor", "the tensor is undefined: it was default-constructed or moved from");
}

Array& Tensor::mutable_array() {
  if (!impl_) fail_undefined();
  if (impl_->deferred) {
    impl_->array = impl_->deferred->leave();
    impl_->deferred = nullptr;
  }
  return impl_->array;
}

Tensor& Tensor::set_requires_grad(bool on) {
  if (on == requires_grad()) return *this;
  require(is_leaf(), ErrorCode::kState, "requires_grad",
          "only a leaf's flag can change; this tensor was made by ", grad_fn_name(), ": use detach()");
  if (!on) {
    impl_->edge = Edge();
    return *this;
  }
  require(is_floating(dtype()), ErrorCode::kDTypeMismatch, "requires_grad",
          "only floating-point tensors have gradients, this one is ", dtype());
  const bool fits = impl_->slot && static_cast<const GradSlot&>(*impl_->slot).fits(array());
  if (!fits) impl_->slot = make_ref<GradSlot>(shape(), dtype());
  impl_->edge = Edge(impl_->slot, 0);
  return *this;
}

std::string Tensor::grad_fn_name() const {
  return is_leaf() ? std::string() : std::string(impl_->edge.node->name());
}

const Tensor& Tensor::grad() const {
  static const Tensor kNone;
  return impl_ && impl_->slot ? static_cast<const GradSlot&>(*impl_->slot).grad() : kNone;
}

void Tensor::set_grad(const Tensor& grad) {
  if (!impl_) fail_undefined();
  if (!impl_->slot) impl_->slot = make_ref<GradSlot>(shape(), dtype());
  static_cast<GradSlot&>(*impl_->slot).set_grad(grad);
}

void Tensor::retain_grad() {
  require(requires_grad(), ErrorCode::kState, "retain_grad", "this tensor does not require grad");
  if (is_leaf() || impl_->slot) return;
  auto slot = make_ref<GradSlot>(shape(), dtype());
  impl_->slot = Ref<Node>(slot.get());
  impl_->edge.node->add_hook(impl_->edge.index, [slot](const Tensor& grad) {
    slot->accumulate(grad);
    return Tensor();
  });
}

void Tensor::register_hook(GradHook hook) {
  require(requires_grad(), ErrorCode::kState, "register_hook", "this tensor does not require grad");
  impl_->edge.node->add_hook(impl_->edge.index, std::move(hook));
}

Tensor Tensor::detach() const { return Tensor(array()); }

void Tensor::backward(const Tensor& gradient, const BackwardOptions& options) const {
  sconce::backward({this, 1}, {&gradient, 1}, options);
}

}  // namespace sconce
