// Views of a tensor's memory. The derivative of a view puts the gradient back where the view's elements lie.
#include <utility>

#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/reduce.h"

namespace sconce {
namespace {

// Zeros of `shape` with `grad` written into the view `take` makes of them: the derivative of taking a part.
template <class Take>
Tensor place(const Tensor& grad, const Shape& shape, Take take) {
  Array whole = Array::zeros(shape, grad.dtype());
  Array part = take(whole);
  part.copy_from(grad.array());
  Tensor out(std::move(whole));
  if (needs_grad(grad)) {
    record(out, "place", {grad}, [take](Backward& pass) { pass.set(0, take(pass.grad())); });
  }
  return out;
}

// A view that holds some of x's elements once each. `take` makes it of an Array or of a Tensor.
template <class Take>
Tensor part(const Tensor& x, std::string_view name, Take take) {
  Tensor out(take(x.array()));
  if (needs_grad(x)) {
    record(out, name, {x},
           [take, shape = x.shape()](Backward& pass) { pass.set(0, place(pass.grad(), shape, take)); });
  }
  return out;
}

// A rearrangement of all of x's elements; `undo` brings a Tensor back to x's shape.
template <class Undo>
Tensor rearranged(const Tensor& x, std::string_view name, Array array, Undo undo) {
  Tensor out(std::move(array));
  if (needs_grad(x)) {
    record(out, name, {x}, [undo](Backward& pass) { pass.set(0, undo(pass.grad())); });
  }
  return out;
}

auto reshape_to(const Shape& shape) {
  return [shape](const Tensor& grad) { return grad.reshape(shape); };
}

}  // namespace

Tensor Tensor::view(const Shape& wanted) const {
  return rearranged(*this, "view", array().view(wanted), reshape_to(shape()));
}

Tensor Tensor::reshape(const Shape& wanted) const {
  return rearranged(*this, "reshape", array().reshape(wanted), reshape_to(shape()));
}

Tensor Tensor::flatten(std::int64_t start_dim, std::int64_t end_dim) const {
  return rearranged(*this, "flatten", array().flatten(start_dim, end_dim), reshape_to(shape()));
}

Tensor Tensor::squeeze() const {
  return rearranged(*this, "squeeze", array().squeeze(), reshape_to(shape()));
}

Tensor Tensor::squeeze(std::int64_t dim) const {
  return rearranged(*this, "squeeze", array().squeeze(dim), reshape_to(shape()));
}

Tensor Tensor::unsqueeze(std::int64_t dim) const {
  return rearranged(*this, "unsqueeze", array().unsqueeze(dim), reshape_to(shape()));
}

Tensor Tensor::transpose(std::int64_t dim0, std::int64_t dim1) const {
  return rearranged(*this, "transpose", array().transpose(dim0, dim1),
                    [dim0, dim1](const Tensor& grad) { return grad.transpose(dim0, dim1); });
}

Tensor Tensor::t() const {
  require(rank() <= 2, ErrorCode::kShapeMismatch, "t", "expected at most 2 dimensions, found shape ",
          shape());
  return rank() == 2 ? transpose(0, 1) : *this;
}

Tensor Tensor::permute(std::initializer_list<std::int64_t> dims) const { return permute(Dims(dims)); }

Tensor Tensor::permute(const Dims& dims) const {
  Array out = array().with_geometry(array().geometry().permute(dims));
  Dims inverse(dims.size());
  for (std::size_t i = 0; i < dims.size(); ++i) {
    inverse[normalize_dim(dims[i], rank(), "permute")] = static_cast<std::int64_t>(i);
  }
  return rearranged(*this, "permute", std::move(out),
                    [inverse](const Tensor& grad) { return grad.permute(inverse); });
}

Tensor Tensor::select(std::int64_t dim, std::int64_t position) const {
  return part(*this, "select", [dim, position](const auto& x) { return x.select(dim, position); });
}

Tensor Tensor::narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const {
  return part(*this, "narrow", [=](const auto& x) { return x.narrow(dim, start, length); });
}

Tensor Tensor::slice(std::int64_t dim, const Slice& bounds) const {
  return part(*this, "slice", [dim, bounds](const auto& x) { return x.slice(dim, bounds); });
}

namespace {

// x.index(indices) for indices in a vector.
Array index_array(const Array& x, const std::vector<Index>& indices) {
  return x.with_geometry(x.geometry().index(indices));
}

Tensor index_tensor(const Tensor& x, const std::vector<Index>& indices);

struct TakeIndex {
  std::vector<Index> indices;
  Array operator()(const Array& x) const { return index_array(x, indices); }
  Tensor operator()(const Tensor& x) const { return index_tensor(x, indices); }
};

Tensor index_tensor(const Tensor& x, const std::vector<Index>& indices) {
  return part(x, "index", TakeIndex{indices});
}

}  // namespace

Tensor Tensor::index(std::initializer_list<Index> indices) const { return index_tensor(*this, indices); }

Tensor Tensor::expand(const Shape& wanted) const {
  return rearranged(*this, "expand", array().expand(wanted),
                    [shape = shape()](const Tensor& grad) { return sum_to(grad, shape); });
}

Tensor Tensor::contiguous() const {
  if (is_contiguous()) return *this;
  return rearranged(*this, "contiguous", array().contiguous(), [](const Tensor& grad) { return grad; });
}

Tensor Tensor::clone() const {
  return rearranged(*this, "clone", array().clone(), [](const Tensor& grad) { return grad; });
}

Tensor Tensor::to(DType wanted) const {
  if (wanted == dtype()) return *this;
  Tensor out(array().cast(wanted));
  if (is_floating(wanted) && needs_grad(*this)) {
    record(out, "to", {*this}, [from = dtype()](Backward& pass) { pass.set(0, pass.grad().to(from)); });
  }
  return out;
}

}  // namespace sconce
