// How a strided view lies in its storage, and the views that can be made of it. Pure arithmetic: Array and
// Tensor share it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "sconce/core/shape.h"

namespace sconce {

// numpy's start:stop:step; absent bounds mean "from the beginning" and "to the end". step >= 1, as in
// PyTorch.
struct Slice {
  std::optional<std::int64_t> start;
  std::optional<std::int64_t> stop;
  std::int64_t step = 1;
};
struct Ellipsis {};  // as many full slices as fit
struct NewAxis {};   // a dimension of size 1
// One element of an index expression: x.index({0, Slice{}, Slice{1, 3}}).
using Index = std::variant<std::int64_t, Slice, Ellipsis, NewAxis>;

struct Geometry {
  Shape shape;
  Strides strides;          // elements
  std::int64_t offset = 0;  // elements from the beginning of the storage

  static Geometry contiguous(Shape shape);
  friend bool operator==(const Geometry& a, const Geometry& b) = default;
  std::size_t rank() const { return shape.size(); }
  std::int64_t numel() const { return shape.numel(); }
  // True when the elements lie densely in row-major order.
  bool is_contiguous() const;
  // True when a stride of 0 puts several elements into one place: then a write to one is a write to others.
  bool repeats_elements() const;
  // Elements the storage must have; 0 when empty. Errors: kInvalidArgument (negative size, stride or
  // offset, ranks differ), kOverflow.
  std::int64_t required_elements() const;

  // Views, with PyTorch's meaning and errors. Dimensions count from the end when negative.
  Geometry select(std::int64_t dim, std::int64_t index) const;
  Geometry narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const;
  Geometry slice(std::int64_t dim, const Slice& slice) const;
  Geometry index(std::span<const Index> indices) const;
  Geometry transpose(std::int64_t dim0, std::int64_t dim1) const;
  Geometry permute(std::span<const std::int64_t> dims) const;
  Geometry expand(const Shape& shape) const;  // -1 keeps a size
  Geometry squeeze() const;
  Geometry squeeze(std::int64_t dim) const;
  Geometry unsqueeze(std::int64_t dim) const;
  // The same elements under another shape without moving them; nullopt when the strides do not allow it.
  std::optional<Geometry> view(const Shape& shape) const;
};

// `shape` with one -1 replaced by what `numel` leaves for it; Error kShapeMismatch when nothing fits.
Shape infer_shape(const Shape& shape, std::int64_t numel, std::string_view where);
// The shape flatten(start, end) gives.
Shape flattened_shape(const Shape& shape, std::int64_t start_dim, std::int64_t end_dim);

}  // namespace sconce
