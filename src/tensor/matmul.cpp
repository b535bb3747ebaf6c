#include "sconce/tensor/matmul.h"

#include <utility>

#include "sconce/kernels/matmul.h"
#include "sconce/kernels/reduce.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/reduce.h"

namespace sconce {

Tensor mm(const Tensor& a, const Tensor& b) {
  Tensor out = kernels::matmul(a.array(), b.array());
  if (needs_grad(a, b)) {
    record(out, "mm", {a, b},
           [a = Saved(a, b.requires_grad()), b = Saved(b, a.requires_grad())](Backward& pass) {
             if (pass.needs(0)) pass.set(0, mm(pass.grad(), b.get(pass).t()));
             if (pass.needs(1)) pass.set(1, mm(a.get(pass).t(), pass.grad()));
           });
  }
  return out;
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  Tensor out = kernels::batched_matmul(a.array(), b.array());
  if (needs_grad(a, b)) {
    record(out, "bmm", {a, b},
           [a = Saved(a, b.requires_grad()), b = Saved(b, a.requires_grad())](Backward& pass) {
             if (pass.needs(0)) pass.set(0, bmm(pass.grad(), b.get(pass).transpose(1, 2)));
             if (pass.needs(1)) pass.set(1, bmm(a.get(pass).transpose(1, 2), pass.grad()));
           });
  }
  return out;
}

namespace {

// The batch dimensions: all but the last two.
Shape batch_of(const Shape& shape) {
  return Shape(std::span<const std::int64_t>(shape.begin(), shape.size() - 2));
}

Shape with_matrix(const Shape& batch, std::int64_t rows, std::int64_t columns) {
  Shape out = batch;
  out.push_back(rows);
  out.push_back(columns);
  return out;
}

// Both operands broadcast to common batch dimensions, which are then flattened into one.
Tensor broadcast_matmul(const Tensor& a, const Tensor& b) {
  const Shape batch = broadcast_shapes(batch_of(a.shape()), batch_of(b.shape()), "matmul");
  const auto flat = [&batch](const Tensor& x) {
    return x.expand(with_matrix(batch, x.size(-2), x.size(-1)))
        .reshape({batch.numel(), x.size(-2), x.size(-1)});
  };
  return bmm(flat(a), flat(b)).view(with_matrix(batch, a.size(-2), b.size(-1)));
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  require(a.rank() > 0 && b.rank() > 0, ErrorCode::kShapeMismatch, "matmul",
          "both operands need a dimension, found shapes ", a.shape(), " and ", b.shape());
  if (a.rank() == 1) {
    const Tensor row = matmul(a.unsqueeze(0), b);
    return b.rank() == 1 ? row.squeeze(0) : row.squeeze(-2);
  }
  if (b.rank() == 1) return matmul(a, b.unsqueeze(1)).squeeze(-1);
  if (a.rank() == 2 && b.rank() == 2) return mm(a, b);
  require(a.size(-1) == b.size(-2), ErrorCode::kShapeMismatch, "matmul", "cannot multiply ", a.shape(),
          " by ", b.shape());
  if (b.rank() == 2) {
    // One large product instead of many small ones.
    Shape out = a.shape();
    out[out.size() - 1] = b.size(-1);
    return mm(a.reshape({a.numel() / std::max<std::int64_t>(1, a.size(-1)), a.size(-1)}), b).view(out);
  }
  return broadcast_matmul(a, b);
}

namespace {

// bias + a x b in one pass over the result, where nothing needs promotion.
Tensor biased_product(std::string_view name, const Tensor& bias, const Tensor& a, const Tensor& b) {
  require(a.rank() == 2 && b.rank() == 2, ErrorCode::kShapeMismatch, name, "expected two matrices, found ",
          a.shape(), " and ", b.shape());
  const Shape shape{a.size(0), b.size(1)};
  Array out = Array::empty(shape, bias.dtype());
  out.copy_from(bias.array());
  kernels::matmul_into(out, a.array(), b.array());
  return out;
}

}  // namespace

Tensor addmm(const Tensor& bias, const Tensor& a, const Tensor& b) {
  if (a.dtype() != kFloat32 && a.dtype() != kFloat64) return bias + mm(a, b);
  Tensor out = biased_product("addmm", bias, a, b);
  if (needs_grad(bias, a, b)) {
    record(out, "addmm", {bias, a, b},
           [shape = bias.shape(), a = Saved(a, b.requires_grad()),
            b = Saved(b, a.requires_grad())](Backward& pass) {
             if (pass.needs(0)) pass.set(0, sum_to(pass.grad(), shape));
             if (pass.needs(1)) pass.set(1, mm(pass.grad(), b.get(pass).t()));
             if (pass.needs(2)) pass.set(2, mm(a.get(pass).t(), pass.grad()));
           });
  }
  return out;
}

namespace {

// rows (n, in) x weight (out, in), transposed, + bias (out,), as one operation: so the weight's gradient
// comes out in the weight's own layout.
Tensor linear_of_rows(const Tensor& rows, const Tensor& weight, const Tensor& bias) {
  const bool computes = rows.dtype() == kFloat32 || rows.dtype() == kFloat64;
  if (bias.defined() && !computes) return bias + mm(rows, weight.t());
  const Tensor columns(weight.array().transpose(0, 1));
  Tensor out = bias.defined() ? biased_product("linear", bias, rows, columns)
                              : Tensor(kernels::matmul(rows.array(), columns.array()));
  if (needs_grad(rows, weight, bias)) {
    record(out, "linear", {rows, weight, bias},
           [shape = bias.defined() ? bias.shape() : Shape(), rows = Saved(rows, weight.requires_grad()),
            weight = Saved(weight, rows.requires_grad())](Backward& pass) {
             if (pass.needs(0)) pass.set(0, mm(pass.grad(), weight.get(pass)));
             if (pass.needs(1)) pass.set(1, mm(pass.grad().t(), rows.get(pass)));
             if (pass.needs(2)) pass.set(2, sum_to(pass.grad(), shape));
           });
  }
  return out;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require(weight.rank() == 2 && x.rank() >= 1 && x.size(-1) == weight.size(1), ErrorCode::kShapeMismatch,
          "linear", "weight ", weight.shape(), " expects ", weight.rank() == 2 ? weight.size(1) : 0,
          " input features, the input has shape ", x.shape());
  if (bias.defined()) {
    require(bias.shape() == Shape{weight.size(0)}, ErrorCode::kShapeMismatch, "linear", "the bias has shape ",
            bias.shape(), ", weight ", weight.shape());
  }
  const Tensor rows = x.rank() == 2 ? x : x.reshape({-1, x.size(-1)});
  Tensor out = linear_of_rows(rows, weight, bias);
  if (x.rank() == 2) return out;
  Shape shape = x.shape();
  shape[shape.size() - 1] = weight.size(0);
  return out.view(shape);
}

}  // namespace sconce
