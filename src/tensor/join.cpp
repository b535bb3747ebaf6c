// Joining and splitting.
#include <algorithm>
#include <vector>

#include "sconce/kernels/indexing.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/indexing.h"
#include "sconce/tensor/promote.h"

namespace sconce {

Tensor cat(std::initializer_list<Tensor> tensors, std::int64_t dim) {
  return cat(std::span(tensors.begin(), tensors.size()), dim);
}

Tensor cat(std::span<const Tensor> tensors, std::int64_t dim) {
  require(!tensors.empty(), ErrorCode::kInvalidArgument, "cat", "expected at least one tensor");
  DType dtype = tensors[0].dtype();
  for (const Tensor& x : tensors) dtype = promote_types(dtype, x.dtype());
  std::vector<Array> arrays;
  for (const Tensor& x : tensors) arrays.push_back(x.array().cast(dtype));
  Tensor out = kernels::cat(arrays, dim);
  if (needs_grad(tensors)) {
    struct Part {
      std::int64_t size;
      DType dtype;
    };
    std::vector<Part> parts;
    for (const Tensor& x : tensors) parts.push_back({x.size(dim), x.dtype()});
    record(std::span(&out, 1), "cat", tensors, [parts = std::move(parts), dim](Backward& pass) {
      std::int64_t at = 0;
      for (std::size_t i = 0; i < parts.size(); ++i) {
        if (pass.needs(i)) pass.set(i, pass.grad().narrow(dim, at, parts[i].size).to(parts[i].dtype));
        at += parts[i].size;
      }
    });
  }
  return out;
}

Tensor stack(std::initializer_list<Tensor> tensors, std::int64_t dim) {
  return stack(std::span(tensors.begin(), tensors.size()), dim);
}

Tensor stack(std::span<const Tensor> tensors, std::int64_t dim) {
  std::vector<Tensor> lifted;
  for (const Tensor& x : tensors) {
    require(x.shape() == tensors[0].shape(), ErrorCode::kShapeMismatch, "stack",
            "expected equal shapes, found ", tensors[0].shape(), " and ", x.shape());
    lifted.push_back(x.unsqueeze(dim));
  }
  return cat(lifted, dim);
}

std::vector<Tensor> split(const Tensor& x, const Dims& sizes, std::int64_t dim) {
  std::vector<Tensor> out;
  std::int64_t at = 0;
  for (const std::int64_t size : sizes) {
    out.push_back(x.narrow(dim, at, size));
    at += size;
  }
  require(at == x.size(dim), ErrorCode::kShapeMismatch, "split", "the sizes add up to ", at,
          ", the dimension has ", x.size(dim));
  return out;
}

std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t dim) {
  require(size > 0, ErrorCode::kInvalidArgument, "split", "the size of a part must be positive, it is ",
          size);
  Dims sizes;
  std::int64_t left = x.size(dim);
  do {
    sizes.push_back(std::min(size, left));
    left -= sizes.back();
  } while (left > 0);
  return split(x, sizes, dim);
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim) {
  require(chunks > 0, ErrorCode::kInvalidArgument, "chunk", "the number of parts must be positive, it is ",
          chunks);
  return split(x, std::max<std::int64_t>(1, (x.size(dim) + chunks - 1) / chunks), dim);
}

}  // namespace sconce
