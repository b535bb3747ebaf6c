#include <utility>

#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/promote.h"
#include "tensor/in_blocks.h"
#include "tensor/operand.h"

namespace sconce {
namespace {

// True division of integers happens in the default floating dtype.
DType division_type(DType dtype) { return is_integral(dtype) ? kFloat32 : dtype; }

}  // namespace

Tensor add(const Tensor& a, const Tensor& b, Scalar alpha) {
  const DType dtype = result_type(a, b);
  require(is_floating(dtype) || is_complex(dtype) || alpha.dtype() != kFloat64, ErrorCode::kDTypeMismatch,
          "add", "a fractional alpha needs floating tensors, these are ", dtype);
  const double scale = alpha.to_double();
  const auto added = [&](const Array& x, const Array& y) {
    return scale == 1 ? kernels::add(InDType(x, dtype), InDType(y, dtype))
                      : kernels::add_scaled(InDType(x, dtype), InDType(y, dtype), scale);
  };
  Tensor out;
  if (!InBlocks::fit(a, b)) {
    out = added(a.array(), b.array());
  } else {
    out = scale == 1 ? InBlocks::add(a, b) : map_blocks(a, b, added);
  }
  if (needs_grad(a, b)) {
    record(out, "add", {a, b}, [a = Operand(a), b = Operand(b), alpha](Backward& pass) {
      if (pass.needs(0)) pass.set(0, a.reduce(pass.grad()));
      if (pass.needs(1)) {
        pass.set(1, b.reduce(alpha.to_double() == 1 ? pass.grad() : mul(pass.grad(), alpha)));
      }
    });
  }
  return out;
}

Tensor sub(const Tensor& a, const Tensor& b, Scalar alpha) {
  const DType dtype = result_type(a, b);
  if (alpha.to_double() != 1) {
    return add(a, b,
               alpha.dtype() == kFloat64 ? Scalar(-alpha.to_double())
                                         : Scalar(-static_cast<std::int64_t>(alpha.to_double())));
  }
  Tensor out = kernels::sub(InDType(a.array(), dtype), InDType(b.array(), dtype));
  if (needs_grad(a, b)) {
    record(out, "sub", {a, b}, [a = Operand(a), b = Operand(b)](Backward& pass) {
      if (pass.needs(0)) pass.set(0, a.reduce(pass.grad()));
      if (pass.needs(1)) pass.set(1, b.reduce(neg(pass.grad())));
    });
  }
  return out;
}

Tensor mul(const Tensor& a, const Tensor& b) {
  const DType dtype = result_type(a, b);
  Tensor out = kernels::mul(InDType(a.array(), dtype), InDType(b.array(), dtype));
  if (needs_grad(a, b)) {
    record(out, "mul", {a, b},
           [x = Saved(a, b.requires_grad()), y = Saved(b, a.requires_grad()), a = Operand(a),
            b = Operand(b)](Backward& pass) {
             if (pass.needs(0)) pass.set(0, a.reduce(pass.grad() * y.get(pass)));
             if (pass.needs(1)) pass.set(1, b.reduce(pass.grad() * x.get(pass)));
           });
  }
  return out;
}

Tensor div(const Tensor& a, const Tensor& b) {
  const DType dtype = division_type(result_type(a, b));
  Tensor out = kernels::div(InDType(a.array(), dtype), InDType(b.array(), dtype));
  if (needs_grad(a, b)) {
    record(out, "div", {a, b},
           [x = Saved(a, b.requires_grad()), y = Saved(b), a = Operand(a), b = Operand(b)](Backward& pass) {
             const Tensor divisor = y.get(pass);
             if (pass.needs(0)) pass.set(0, a.reduce(pass.grad() / divisor));
             if (pass.needs(1)) pass.set(1, b.reduce(neg(pass.grad()) * ((x.get(pass) / divisor) / divisor)));
           });
  }
  return out;
}

Tensor add(const Tensor& a, Scalar b) {
  const DType dtype = result_type(a, b);
  Tensor out = kernels::add(InDType(a.array(), dtype), b.to_array(dtype));
  if (needs_grad(a)) {
    record(out, "add", {a}, [](Backward& pass) { pass.set(0, pass.grad()); });
  }
  return out;
}

Tensor sub(const Tensor& a, Scalar b) {
  const DType dtype = result_type(a, b);
  Tensor out = kernels::sub(InDType(a.array(), dtype), b.to_array(dtype));
  if (needs_grad(a)) {
    record(out, "sub", {a}, [](Backward& pass) { pass.set(0, pass.grad()); });
  }
  return out;
}

Tensor mul(const Tensor& a, Scalar b) {
  const DType dtype = result_type(a, b);
  Tensor out = kernels::mul(InDType(a.array(), dtype), b.to_array(dtype));
  if (needs_grad(a)) {
    record(out, "mul", {a}, [b](Backward& pass) { pass.set(0, mul(pass.grad(), b)); });
  }
  return out;
}

Tensor div(const Tensor& a, Scalar b) {
  const DType dtype = division_type(result_type(a, b));
  Tensor out = kernels::div(InDType(a.array(), dtype), b.to_array(dtype));
  if (needs_grad(a)) {
    record(out, "div", {a}, [b](Backward& pass) { pass.set(0, div(pass.grad(), b)); });
  }
  return out;
}

Tensor operator-(Scalar a, const Tensor& b) {
  const DType dtype = result_type(b, a);
  Tensor out = kernels::sub(a.to_array(dtype), InDType(b.array(), dtype));
  if (needs_grad(b)) {
    record(out, "rsub", {b}, [](Backward& pass) { pass.set(0, neg(pass.grad())); });
  }
  return out;
}

// PyTorch's bits: the reciprocal is rounded before the product.
Tensor operator/(Scalar a, const Tensor& b) { return reciprocal(b) * a; }

Tensor operator-(const Tensor& x) { return neg(x); }

}  // namespace sconce
