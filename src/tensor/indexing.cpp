#include "sconce/tensor/indexing.h"

#include <algorithm>

#include "sconce/kernels/elementwise.h"
#include "sconce/kernels/indexing.h"
#include "sconce/kernels/reduce.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"

namespace sconce {

Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index) {
  Tensor out = kernels::index_select(x.array(), dim, index.array());
  if (needs_grad(x)) {
    record(out, "index_select", {x}, [at = Saved(index), shape = x.shape(), dim](Backward& pass) {
      const Tensor nothing = zeros(shape, {.dtype = pass.grad().dtype()});
      pass.set(0, index_add(nothing, dim, at.get(pass), pass.grad()));
    });
  }
  return out;
}

Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  Array sum = x.array().clone();
  kernels::index_add(sum, dim, index.array(), source.array());
  Tensor out(std::move(sum));
  if (needs_grad(x, source)) {
    record(out, "index_add", {x, source}, [at = Saved(index), shape = source.shape(), dim](Backward& pass) {
      if (pass.needs(0)) pass.set(0, pass.grad());
      if (pass.needs(1)) pass.set(1, index_select(pass.grad(), dim, at.get(pass)).reshape(shape));
    });
  }
  return out;
}

Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  Tensor out = kernels::gather(x.array(), dim, index.array());
  if (needs_grad(x)) {
    record(out, "gather", {x}, [at = Saved(index), shape = x.shape(), dim](Backward& pass) {
      const Tensor nothing = zeros(shape, {.dtype = pass.grad().dtype()});
      pass.set(0, scatter_add(nothing, dim, at.get(pass), pass.grad()));
    });
  }
  return out;
}

namespace {

// The gradient of the part of a source that `index` covers, with zeros for the rest of `shape`.
Tensor source_gradient(const Tensor& grad, std::int64_t dim, const Tensor& index, const Shape& shape) {
  Tensor out = gather(grad, dim, index);
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const auto at = static_cast<std::int64_t>(d);
    if (out.size(at) == shape[d]) continue;
    Shape rest = out.shape();
    rest[d] = shape[d] - rest[d];
    out = cat({out, zeros(rest, {.dtype = out.dtype()})}, at);
  }
  return out;
}

}  // namespace

Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  Array written = x.array().clone();
  kernels::scatter(written, dim, index.array(), source.array());
  Tensor out(std::move(written));
  if (needs_grad(x, source)) {
    record(out, "scatter", {x, source}, [at = Saved(index), shape = source.shape(), dim](Backward& pass) {
      const Tensor written_at = at.get(pass);
      if (pass.needs(0)) {
        const Tensor nothing = zeros(written_at.shape(), {.dtype = pass.grad().dtype()});
        pass.set(0, scatter(pass.grad(), dim, written_at, nothing));
      }
      if (pass.needs(1)) pass.set(1, source_gradient(pass.grad(), dim, written_at, shape));
    });
  }
  return out;
}

Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  Array sum = x.array().clone();
  kernels::scatter_add(sum, dim, index.array(), source.array());
  Tensor out(std::move(sum));
  if (needs_grad(x, source)) {
    record(out, "scatter_add", {x, source}, [at = Saved(index), shape = source.shape(), dim](Backward& pass) {
      if (pass.needs(0)) pass.set(0, pass.grad());
      if (pass.needs(1)) pass.set(1, source_gradient(pass.grad(), dim, at.get(pass), shape));
    });
  }
  return out;
}

Tensor embedding(const Tensor& weight, const Tensor& index, std::int64_t padding_idx) {
  require(weight.rank() == 2, ErrorCode::kShapeMismatch, "embedding",
          "the weight must be (rows, width), it is ", weight.shape());
  require(padding_idx < weight.size(0), ErrorCode::kIndexOutOfRange, "embedding", "padding_idx ", padding_idx,
          " is out of range for ", weight.size(0), " rows");
  const Tensor flat = index.reshape({-1});
  Shape shape = index.shape();
  shape.push_back(weight.size(1));
  if (padding_idx < 0) return index_select(weight, 0, flat).view(shape);
  // The row's values are read, but its gradient is cut.
  const Tensor is_padding = (arange(weight.size(0)) == Scalar(padding_idx)).unsqueeze(1);
  return index_select(where(is_padding, weight.detach(), weight), 0, flat).view(shape);
}

Tensor one_hot(const Tensor& index, std::int64_t num_classes) {
  require(index.dtype() == kInt64, ErrorCode::kDTypeMismatch, "one_hot", "indices must be int64, they are ",
          index.dtype());
  std::int64_t classes = num_classes;
  if (classes < 0) {
    require(index.numel() > 0, ErrorCode::kInvalidArgument, "one_hot",
            "the number of classes cannot be inferred from no index");
    classes = kernels::max(index.array(), {}, false).item<std::int64_t>() + 1;
  }
  Shape shape = index.shape();
  shape.push_back(classes);
  Array out = Array::zeros(shape, kInt64);
  const Array at = index.array().unsqueeze(-1);
  kernels::scatter(out, -1, at, Array::ones(at.shape(), kInt64));
  return out;
}

Tensor argsort(const Tensor& x, std::int64_t dim, bool descending) {
  return kernels::argsort(x.array(), dim, descending);
}

std::pair<Tensor, Tensor> topk(const Tensor& x, std::int64_t k, std::int64_t dim, bool largest) {
  const std::int64_t size = x.rank() == 0 ? 1 : x.size(dim);
  require(k >= 0 && k <= size, ErrorCode::kIndexOutOfRange, "topk", "k is ", k, ", the dimension has ", size,
          " elements");
  const Tensor order = argsort(x, dim, largest);
  const Tensor index = x.rank() == 0 ? order : order.narrow(dim, 0, k).contiguous();
  return {gather(x, dim, index), index};
}

}  // namespace sconce
