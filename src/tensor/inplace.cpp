// Writing into a tensor's memory. Recorded when autograd needs to know; the write then starts a new history.
#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/promote.h"
#include "tensor/operand.h"

namespace sconce {
namespace {

// Refuses writes that autograd could not see through; true when the write must be recorded.
template <class... Others>
bool is_recorded(std::string_view name, Tensor& x, const Others&... others) {
  if (!needs_grad(x, others...)) return false;
  require(!(x.requires_grad() && x.is_leaf()), ErrorCode::kState, name,
          "a leaf that requires grad is used in an in-place operation; write to it inside a NoGradGuard");
  // Views and saved results of x's memory would keep the history from before the write.
  require(
      x.mutable_array().storage().use_count() == 1, ErrorCode::kState, name,
      "the memory of this tensor is shared with a view, a detached tensor or a result kept for backward; use "
      "the operation that makes a new tensor");
  return true;
}

// The same for writes of more than one value.
template <class... Others>
bool prepare(std::string_view name, Tensor& x, const Others&... others) {
  require(!x.array().geometry().repeats_elements(), ErrorCode::kInvalidArgument, name,
          "several elements of the tensor, which is expanded, lie in one place of memory; clone() it before "
          "writing into it");
  return is_recorded(name, x, others...);
}

// `other` in x's dtype, if the result of both still fits x's dtype as PyTorch asks.
Array operand(std::string_view name, const Tensor& x, const Tensor& other) {
  const DType dtype = result_type(x, other);
  require(dtype_info(dtype).kind <= dtype_info(x.dtype()).kind, ErrorCode::kDTypeMismatch, name,
          "a result of ", dtype, " cannot be written into ", x.dtype());
  return other.array().cast(x.dtype());
}

Array operand(std::string_view name, const Tensor& x, Scalar other) {
  const DType dtype = result_type(x, other);
  require(dtype_info(dtype).kind <= dtype_info(x.dtype()).kind, ErrorCode::kDTypeMismatch, name,
          "a result of ", dtype, " cannot be written into ", x.dtype());
  return other.to_array(x.dtype());
}

void require_floating(std::string_view name, const Tensor& x) {
  require(is_floating(x.dtype()), ErrorCode::kDTypeMismatch, name, "a quotient cannot be written into ",
          x.dtype());
}

}  // namespace

Tensor& Tensor::add_(const Tensor& other, Scalar alpha) {
  const bool recorded = prepare("add_", *this, other);
  const Array source = operand("add_", *this, other);
  if (alpha.to_double() == 1) {
    kernels::add_into(mutable_array(), source);
  } else {
    kernels::add_scaled_into(mutable_array(), source, alpha.to_double());
  }
  if (recorded) {
    record(*this, "add_", {*this, other}, [other = Operand(other), alpha](Backward& pass) {
      if (pass.needs(0)) pass.set(0, pass.grad());
      if (pass.needs(1)) {
        pass.set(1, other.reduce(alpha.to_double() == 1 ? pass.grad() : mul(pass.grad(), alpha)));
      }
    });
  }
  return *this;
}

Tensor& Tensor::add_(Scalar value) {
  const bool recorded = prepare("add_", *this);
  kernels::add_into(mutable_array(), operand("add_", *this, value));
  if (recorded) record(*this, "add_", {*this}, [](Backward& pass) { pass.set(0, pass.grad()); });
  return *this;
}

Tensor& Tensor::sub_(const Tensor& other, Scalar alpha) {
  return add_(other, alpha.dtype() == kFloat64 ? Scalar(-alpha.to_double())
                                               : Scalar(-static_cast<std::int64_t>(alpha.to_double())));
}

Tensor& Tensor::mul_(const Tensor& other) {
  const bool recorded = prepare("mul_", *this, other);
  const Array source = operand("mul_", *this, other);
  if (!recorded) {
    kernels::mul_into(mutable_array(), source);
    return *this;
  }
  // The derivative for `other` needs what stood here before.
  const Tensor before = other.requires_grad() ? clone() : Tensor();
  Saved factor(other, requires_grad());
  kernels::mul_into(mutable_array(), source);
  record(*this, "mul_", {*this, other},
         [before = Saved(before, before.defined()), factor = std::move(factor),
          other = Operand(other)](Backward& pass) {
           if (pass.needs(0)) pass.set(0, pass.grad() * factor.get(pass).to(pass.grad().dtype()));
           if (pass.needs(1)) pass.set(1, other.reduce(pass.grad() * before.get(pass)));
         });
  return *this;
}

Tensor& Tensor::mul_(Scalar value) {
  const bool recorded = prepare("mul_", *this);
  kernels::mul_into(mutable_array(), operand("mul_", *this, value));
  if (recorded)
    record(*this, "mul_", {*this}, [value](Backward& pass) { pass.set(0, mul(pass.grad(), value)); });
  return *this;
}

Tensor& Tensor::div_(const Tensor& other) {
  require_floating("div_", *this);
  const bool recorded = prepare("div_", *this, other);
  const Array source = operand("div_", *this, other);
  if (!recorded) {
    kernels::div_into(mutable_array(), source);
    return *this;
  }
  const Tensor before = other.requires_grad() ? clone() : Tensor();
  Saved divisor(other);
  kernels::div_into(mutable_array(), source);
  record(*this, "div_", {*this, other},
         [before = Saved(before, before.defined()), divisor = std::move(divisor),
          other = Operand(other)](Backward& pass) {
           const Tensor d = divisor.get(pass).to(pass.grad().dtype());
           if (pass.needs(0)) pass.set(0, pass.grad() / d);
           if (pass.needs(1)) pass.set(1, other.reduce(neg(pass.grad()) * ((before.get(pass) / d) / d)));
         });
  return *this;
}

Tensor& Tensor::div_(Scalar value) {
  require_floating("div_", *this);
  const bool recorded = prepare("div_", *this);
  kernels::div_into(mutable_array(), operand("div_", *this, value));
  if (recorded)
    record(*this, "div_", {*this}, [value](Backward& pass) { pass.set(0, div(pass.grad(), value)); });
  return *this;
}

Tensor& Tensor::copy_(const Tensor& source) {
  const bool recorded = prepare("copy_", *this, source);
  mutable_array().copy_from(source.array());
  if (recorded) {
    record(*this, "copy_", {*this, source}, [source = Operand(source)](Backward& pass) {
      if (pass.needs(0)) pass.set(0, zeros_like(pass.grad()));
      if (pass.needs(1)) pass.set(1, source.reduce(pass.grad()));
    });
  }
  return *this;
}

Tensor& Tensor::fill_(Scalar value) {
  const bool recorded = is_recorded("fill_", *this);
  mutable_array().copy_from(value.to_array(dtype()));
  if (recorded) {
    record(*this, "fill_", {*this}, [](Backward& pass) { pass.set(0, zeros_like(pass.grad())); });
  }
  return *this;
}

Tensor& Tensor::zero_() { return fill_(0); }

}  // namespace sconce
