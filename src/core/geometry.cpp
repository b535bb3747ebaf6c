#include "sconce/core/geometry.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "sconce/base/checked.h"
#include "sconce/base/error.h"

namespace sconce {

Geometry Geometry::contiguous(Shape shape) {
  Strides strides = contiguous_strides(shape);
  return {std::move(shape), std::move(strides), 0};
}

bool Geometry::repeats_elements() const {
  if (numel() == 0) return false;
  for (std::size_t i = 0; i < rank(); ++i) {
    if (strides[i] == 0 && shape[i] > 1) return true;
  }
  return false;
}

bool Geometry::is_contiguous() const {
  const std::int64_t* const sizes = shape.begin();
  const std::int64_t* const steps = strides.begin();
  bool is_dense = true;
  bool is_empty = false;
  std::uint64_t expected = 1;  // may run over beside a size of 0, where it does not matter
  for (std::size_t i = shape.size(); i-- > 0;) {
    const auto size = static_cast<std::uint64_t>(sizes[i]);
    is_empty = is_empty || size == 0;
    is_dense = is_dense && (size == 1 || static_cast<std::uint64_t>(steps[i]) == expected);
    expected *= size;
  }
  return is_dense || is_empty;
}

std::int64_t Geometry::required_elements() const {
  require(shape.size() == strides.size(), ErrorCode::kInvalidArgument, "array", shape.size(), " sizes but ",
          strides.size(), " strides");
  require(offset >= 0, ErrorCode::kInvalidArgument, "array", "the storage offset ", offset, " is negative");
  bool is_empty = false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    require(shape[i] >= 0, ErrorCode::kInvalidArgument, "array", "the size ", shape[i], " is negative");
    require(strides[i] >= 0, ErrorCode::kInvalidArgument, "array", "the stride ", strides[i], " is negative");
    is_empty = is_empty || shape[i] == 0;
  }
  shape.numel();  // refuses sizes whose product does not fit, even beside a zero
  if (is_empty) return 0;
  std::int64_t end = 1;
  bool fits = !__builtin_add_overflow(offset, end, &end);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    std::int64_t reach = 0;
    fits = fits && !__builtin_mul_overflow(shape[i] - 1, strides[i], &reach) &&
           !__builtin_add_overflow(end, reach, &end);
  }
  if (!fits) [[unlikely]] {
    fail(ErrorCode::kOverflow, "array", "a tensor of shape ", shape, " with strides ", Shape(strides),
         " and the storage offset ", offset, " reaches further than 64 bits count");
  }
  return end;
}

Geometry Geometry::select(std::int64_t dim, std::int64_t position) const {
  require(!shape.empty(), ErrorCode::kIndexOutOfRange, "select", "a 0-dimensional array cannot be indexed");
  const std::size_t d = normalize_dim(dim, rank(), "select");
  require(position >= -shape[d] && position < shape[d], ErrorCode::kIndexOutOfRange, "select", "index ",
          position, " is out of range for dimension ", d, " of size ", shape[d]);
  Geometry out = *this;
  out.offset += (position < 0 ? position + shape[d] : position) * strides[d];
  out.shape.erase(d);
  out.strides.erase(d);
  return out;
}

Geometry Geometry::narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const {
  require(!shape.empty(), ErrorCode::kIndexOutOfRange, "narrow", "a 0-dimensional array cannot be narrowed");
  const std::size_t d = normalize_dim(dim, rank(), "narrow");
  require(start >= -shape[d] && start <= shape[d], ErrorCode::kIndexOutOfRange, "narrow", "start ", start,
          " is out of range for dimension ", d, " of size ", shape[d]);
  const std::int64_t from = start < 0 ? start + shape[d] : start;
  require(length >= 0 && length <= shape[d] - from, ErrorCode::kIndexOutOfRange, "narrow", "start ", start,
          " and length ", length, " exceed dimension ", d, " of size ", shape[d]);
  Geometry out = *this;
  out.offset += from * strides[d];
  out.shape[d] = length;
  return out;
}

Geometry Geometry::slice(std::int64_t dim, const Slice& bounds) const {
  require(!shape.empty(), ErrorCode::kIndexOutOfRange, "slice", "a 0-dimensional array cannot be sliced");
  const std::size_t d = normalize_dim(dim, rank(), "slice");
  require(bounds.step >= 1, ErrorCode::kInvalidArgument, "slice", "the step must be at least 1, got ",
          bounds.step);
  const std::int64_t size = shape[d];
  auto clamp = [size](std::int64_t i) { return std::clamp(i < 0 ? i + size : i, std::int64_t{0}, size); };
  const std::int64_t start = clamp(bounds.start.value_or(0));
  const std::int64_t stop = std::max(start, clamp(bounds.stop.value_or(size)));
  Geometry out = *this;
  out.offset += start * strides[d];
  out.shape[d] = (stop - start) / bounds.step + ((stop - start) % bounds.step != 0 ? 1 : 0);
  // As in PyTorch also where no second element follows; there a huge step may not fit, and does not matter.
  if (__builtin_mul_overflow(strides[d], bounds.step, &out.strides[d])) out.strides[d] = strides[d];
  return out;
}

Geometry Geometry::index(std::span<const Index> indices) const {
  std::size_t used = 0;
  std::size_t ellipses = 0;
  for (const Index& i : indices) {
    used += std::holds_alternative<std::int64_t>(i) || std::holds_alternative<Slice>(i) ? 1 : 0;
    ellipses += std::holds_alternative<Ellipsis>(i) ? 1 : 0;
  }
  require(ellipses <= 1, ErrorCode::kInvalidArgument, "index", "more than one ellipsis");
  require(used <= rank(), ErrorCode::kIndexOutOfRange, "index", "too many indices: ", used, " for ", rank(),
          " dimensions");
  Geometry out = *this;
  std::int64_t dim = 0;
  for (const Index& i : indices) {
    if (const auto* position = std::get_if<std::int64_t>(&i)) {
      out = out.select(dim, *position);
    } else if (const auto* bounds = std::get_if<Slice>(&i)) {
      out = out.slice(dim++, *bounds);
    } else if (std::holds_alternative<Ellipsis>(i)) {
      dim += static_cast<std::int64_t>(rank() - used);
    } else {
      out = out.unsqueeze(dim++);
    }
  }
  return out;
}

Geometry Geometry::transpose(std::int64_t dim0, std::int64_t dim1) const {
  const std::size_t a = normalize_dim(dim0, rank(), "transpose");
  const std::size_t b = normalize_dim(dim1, rank(), "transpose");
  Geometry out = *this;
  if (!shape.empty()) {
    std::swap(out.shape[a], out.shape[b]);
    std::swap(out.strides[a], out.strides[b]);
  }
  return out;
}

Geometry Geometry::permute(std::span<const std::int64_t> dims) const {
  require(dims.size() == rank(), ErrorCode::kInvalidArgument, "permute", "expected ", rank(),
          " dimensions, got ", dims.size());
  Geometry out = *this;
  std::vector<bool> seen(rank(), false);
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::size_t d = normalize_dim(dims[i], rank(), "permute");
    require(!seen[d], ErrorCode::kInvalidArgument, "permute", "dimension ", d, " is named twice");
    seen[d] = true;
    out.shape[i] = shape[d];
    out.strides[i] = strides[d];
  }
  return out;
}

Geometry Geometry::expand(const Shape& wanted) const {
  require(wanted.size() >= rank(), ErrorCode::kShapeMismatch, "expand", "cannot expand ", shape,
          " to fewer dimensions ", wanted);
  Geometry out{wanted, Strides(wanted.size()), offset};
  const std::size_t added = wanted.size() - rank();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (i < added) {
      require(wanted[i] >= 0, ErrorCode::kShapeMismatch, "expand", "a new dimension needs a size, got ",
              wanted[i]);
      continue;
    }
    const std::int64_t size = shape[i - added];
    if (wanted[i] == -1) out.shape[i] = size;
    require(out.shape[i] == size || size == 1, ErrorCode::kShapeMismatch, "expand", "cannot expand ", shape,
            " to ", wanted, ": dimension ", i, " has size ", size);
    out.strides[i] = out.shape[i] == size ? strides[i - added] : 0;
  }
  return out;
}

Geometry Geometry::squeeze() const {
  Geometry out{{}, {}, offset};
  for (std::size_t i = 0; i < rank(); ++i) {
    if (shape[i] == 1) continue;
    out.shape.push_back(shape[i]);
    out.strides.push_back(strides[i]);
  }
  return out;
}

Geometry Geometry::squeeze(std::int64_t dim) const {
  const std::size_t d = normalize_dim(dim, rank(), "squeeze");
  Geometry out = *this;
  if (!shape.empty() && shape[d] == 1) {
    out.shape.erase(d);
    out.strides.erase(d);
  }
  return out;
}

Geometry Geometry::unsqueeze(std::int64_t dim) const {
  const std::size_t d = normalize_dim(dim, rank() + 1, "unsqueeze");
  Geometry out = *this;
  const std::int64_t stride = d < rank() ? shape[d] * strides[d] : 1;
  out.shape.insert(d, 1);
  out.strides.insert(d, stride);
  return out;
}

std::optional<Geometry> Geometry::view(const Shape& wanted) const {
  const Shape target = infer_shape(wanted, numel(), "view");
  if (numel() == 0) {
    Geometry out = contiguous(target);
    out.offset = offset;
    return out;
  }
  // Walk old dimensions from the right in chunks that lie densely behind each other, and deal the new
  // dimensions out of each chunk; a new dimension that would straddle two chunks makes a view impossible.
  Geometry out{target, Strides(target.size()), offset};
  std::size_t next = target.size();
  std::int64_t chunk = 1;
  std::int64_t base = rank() == 0 ? 1 : strides.back();
  for (std::size_t i = rank(); i-- > 0;) {
    chunk *= shape[i];
    const bool chunk_ends = i == 0 || (shape[i - 1] != 1 && strides[i - 1] != chunk * base);
    if (!chunk_ends) continue;
    std::int64_t dealt = 1;
    while (next > 0 && (dealt < chunk || target[next - 1] == 1)) {
      --next;
      out.strides[next] = dealt * base;
      dealt *= target[next];
    }
    if (dealt != chunk) return std::nullopt;
    if (i > 0) base = strides[i - 1];
    chunk = 1;
  }
  while (next > 0) out.strides[--next] = 1;  // a scalar viewed with dimensions of size 1
  return out;
}

Shape infer_shape(const Shape& shape, std::int64_t numel, std::string_view where) {
  std::int64_t known = 1;
  std::optional<std::size_t> open;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      require(!open, ErrorCode::kInvalidArgument, where, "only one dimension can be -1, shape is ", shape);
      open = i;
    } else {
      require(shape[i] >= 0, ErrorCode::kInvalidArgument, where, "the size ", shape[i], " is negative");
      known = checked_mul(known, shape[i], where);
    }
  }
  Shape out = shape;
  if (open && known != 0 && numel % known == 0) {
    out[*open] = numel / known;
    return out;
  }
  require(!open || known != 0, ErrorCode::kShapeMismatch, where, "the -1 in shape ", shape,
          " could be any size because another dimension is 0");
  require(!open && known == numel, ErrorCode::kShapeMismatch, where, "shape ", shape, " is invalid for ",
          numel, " elements");
  return out;
}

Shape flattened_shape(const Shape& shape, std::int64_t start_dim, std::int64_t end_dim) {
  const std::size_t first = normalize_dim(start_dim, shape.size(), "flatten");
  const std::size_t last = normalize_dim(end_dim, shape.size(), "flatten");
  require(first <= last, ErrorCode::kInvalidArgument, "flatten", "start dimension ", start_dim,
          " comes after end dimension ", end_dim);
  if (shape.empty()) return Shape{1};
  Shape out;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > first && i <= last) {
      out[out.size() - 1] = checked_mul(out.back(), shape[i], "flatten");
    } else {
      out.push_back(shape[i]);
    }
  }
  return out;
}

}  // namespace sconce
