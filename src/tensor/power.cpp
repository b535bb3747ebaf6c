// Powers, extremes of two tensors, and clamp.
#include <cmath>
#include <utility>

#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/promote.h"
#include "tensor/operand.h"

namespace sconce {

Tensor pow(const Tensor& x, Scalar exponent) {
  const DType dtype = result_type(x, exponent);
  const double e = exponent.to_double();
  const Array base = x.array().cast(dtype);
  // The exact cases are computed exactly, as PyTorch does; its roots know -0 and -inf otherwise than pow().
  Tensor y = e == 2                            ? kernels::square(base)
             : e == 0.5                        ? kernels::sqrt(base)
             : e == -0.5 && is_floating(dtype) ? kernels::reciprocal(kernels::sqrt(base))
             : e == -1 && is_floating(dtype)   ? kernels::reciprocal(base)
                                               : kernels::pow(base, exponent.to_array(dtype));
  if (needs_grad(x)) {
    record(y, "pow", {x}, [x = Saved(x), exponent, e](Backward& pass) {
      const Tensor slope = e == 0 ? zeros_like(x.get(pass)) : mul(pow(x.get(pass), Scalar(e - 1)), exponent);
      pass.set(0, pass.grad() * slope);
    });
  }
  return y;
}

Tensor pow(const Tensor& x, const Tensor& exponent) {
  const DType dtype = result_type(x, exponent);
  Tensor y = kernels::pow(InDType(x.array(), dtype), InDType(exponent.array(), dtype));
  if (needs_grad(x, exponent)) {
    record(y, "pow", {x, exponent},
           [x = Saved(x), e = Saved(exponent), y = Saved::output(y), operand_x = Operand(x),
            operand_e = Operand(exponent)](Backward& pass) {
             const Tensor base = x.get(pass);
             const Tensor power = e.get(pass);
             if (pass.needs(0)) {
               const Tensor slope = power * pow(base, power - Scalar(1));
               pass.set(0,
                        operand_x.reduce(pass.grad() * where(power == Scalar(0), zeros_like(slope), slope)));
             }
             if (pass.needs(1)) {
               // 0^e stays 0 near an e >= 0, though log(0) is infinite.
               const Tensor slope = y.get(pass) * log(base);
               const Tensor flat = logical_and(base == Scalar(0), power >= Scalar(0));
               pass.set(1, operand_e.reduce(pass.grad() * where(flat, zeros_like(slope), slope)));
             }
           });
  }
  return y;
}

Tensor pow(Scalar base, const Tensor& exponent) {
  return pow(Tensor(base.to_array(result_type(exponent, base))), exponent);
}

namespace {

// Gradients of the larger (or smaller) of two: to the one that was chosen, half to each where they are equal.
template <class Loses>
auto choose_backward(const Tensor& a, const Tensor& b, Loses loses) {
  return [x = Saved(a), y = Saved(b), a = Operand(a), b = Operand(b), loses](Backward& pass) {
    const Tensor p = x.get(pass).detach();
    const Tensor q = y.get(pass).detach();
    const Tensor& grad = pass.grad();
    const Tensor shared = where(p == q, div(grad, 2), grad);
    if (pass.needs(0)) pass.set(0, a.reduce(masked_fill(shared, loses(p, q), 0)));
    if (pass.needs(1)) pass.set(1, b.reduce(masked_fill(shared, loses(q, p), 0)));
  };
}

}  // namespace

Tensor maximum(const Tensor& a, const Tensor& b) {
  const DType dtype = result_type(a, b);
  Tensor out = kernels::maximum(InDType(a.array(), dtype), InDType(b.array(), dtype));
  if (needs_grad(a, b)) {
    record(out, "maximum", {a, b},
           choose_backward(a, b, [](const Tensor& mine, const Tensor& other) { return mine < other; }));
  }
  return out;
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  const DType dtype = result_type(a, b);
  Tensor out = kernels::minimum(InDType(a.array(), dtype), InDType(b.array(), dtype));
  if (needs_grad(a, b)) {
    record(out, "minimum", {a, b},
           choose_backward(a, b, [](const Tensor& mine, const Tensor& other) { return mine > other; }));
  }
  return out;
}

Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
  require(low || high, ErrorCode::kInvalidArgument, "clamp", "neither a lower nor an upper bound was given");
  DType dtype = x.dtype();
  if (low) dtype = promote_types(dtype, result_type(x, *low));
  if (high) dtype = promote_types(dtype, result_type(x, *high));
  Array out = x.array().cast(dtype);
  if (low) out = kernels::maximum(out, low->to_array(dtype));
  if (high) out = kernels::minimum(out, high->to_array(dtype));
  Tensor y(std::move(out));
  if (needs_grad(x)) {
    record(y, "clamp", {x}, [x = Saved(x), low, high](Backward& pass) {
      const Tensor value = x.get(pass).detach();
      Tensor grad = pass.grad();
      // Not "value < *low": NaN lies within no bounds.
      if (low) grad = masked_fill(grad, logical_not(value >= *low), 0);
      if (high) grad = masked_fill(grad, logical_not(value <= *high), 0);
      pass.set(0, grad);
    });
  }
  return y;
}

}  // namespace sconce
