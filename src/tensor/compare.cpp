// Comparisons, logic, and choosing by a condition.
#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/promote.h"
#include "tensor/operand.h"

namespace sconce {
namespace {

using Kernel = Array (*)(const Array&, const Array&);

Tensor compare(Kernel kernel, const Tensor& a, const Tensor& b) {
  const DType dtype = result_type(a, b);
  return kernel(InDType(a.array(), dtype), InDType(b.array(), dtype));
}

Tensor compare(Kernel kernel, const Tensor& a, Scalar b) {
  const DType dtype = result_type(a, b);
  return kernel(InDType(a.array(), dtype), b.to_array(dtype));
}

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) { return compare(kernels::eq, a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return compare(kernels::ne, a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return compare(kernels::lt, a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return compare(kernels::le, a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return compare(kernels::gt, a, b); }
Tensor ge(const Tensor& a, const Tensor& b) { return compare(kernels::ge, a, b); }
Tensor eq(const Tensor& a, Scalar b) { return compare(kernels::eq, a, b); }
Tensor ne(const Tensor& a, Scalar b) { return compare(kernels::ne, a, b); }
Tensor lt(const Tensor& a, Scalar b) { return compare(kernels::lt, a, b); }
Tensor le(const Tensor& a, Scalar b) { return compare(kernels::le, a, b); }
Tensor gt(const Tensor& a, Scalar b) { return compare(kernels::gt, a, b); }
Tensor ge(const Tensor& a, Scalar b) { return compare(kernels::ge, a, b); }
Tensor isnan(const Tensor& x) { return kernels::isnan(x.array()); }

Tensor logical_and(const Tensor& a, const Tensor& b) { return compare(kernels::logical_and, a, b); }
Tensor logical_or(const Tensor& a, const Tensor& b) { return compare(kernels::logical_or, a, b); }
Tensor logical_not(const Tensor& x) { return kernels::logical_not(x.array()); }

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const DType dtype = result_type(a, b);
  Tensor out = kernels::where(condition.array(), InDType(a.array(), dtype), InDType(b.array(), dtype));
  if (needs_grad(a, b)) {
    record(out, "where", {a, b}, [choice = Saved(condition), a = Operand(a), b = Operand(b)](Backward& pass) {
      const Tensor chosen = choice.get(pass);
      if (pass.needs(0)) pass.set(0, a.reduce(where(chosen, pass.grad(), Scalar(0))));
      if (pass.needs(1)) pass.set(1, b.reduce(masked_fill(pass.grad(), chosen, 0)));
    });
  }
  return out;
}

Tensor where(const Tensor& condition, const Tensor& a, Scalar b) {
  return where(condition, a, Tensor(b.to_array(result_type(a, b))));
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value) {
  const Shape shape = broadcast_shapes(x.shape(), mask.shape(), "masked_fill");
  Tensor out = kernels::where(mask.array(), value.to_array(x.dtype()), x.array().expand(shape));
  if (needs_grad(x)) {
    record(out, "masked_fill", {x}, [mask = Saved(mask), x = Operand(x)](Backward& pass) {
      pass.set(0, x.reduce(masked_fill(pass.grad(), mask.get(pass), 0)));
    });
  }
  return out;
}

}  // namespace sconce
