#include "sconce/core/array.h"

#include <cstring>
#include <utility>

#include "sconce/base/checked.h"

namespace sconce {

Array::Array(Storage storage, DType dtype, Geometry geometry, std::nullptr_t)
    : storage_(std::move(storage)), geometry_(std::move(geometry)), dtype_(dtype), defined_(true) {}

Array::Array(Storage storage, DType dtype, Geometry geometry)
    : Array(std::move(storage), dtype, std::move(geometry), nullptr) {
  const auto elements = static_cast<std::uint64_t>(geometry_.required_elements());
  const std::uint64_t bytes = checked_mul<std::uint64_t>(elements, itemsize(), "array");
  require(bytes <= storage_.size(), ErrorCode::kInvalidArgument, "array", "shape ", shape(), " at offset ",
          offset(), " needs ", bytes, " bytes, the storage has ", storage_.size());
  // An empty view reads nothing, wherever it claims to begin; keep its pointer inside the storage.
  if (elements == 0) {
    require(static_cast<std::uint64_t>(offset()) <= storage_.size() / itemsize(), ErrorCode::kInvalidArgument,
            "array", "the offset ", offset(), " lies behind the storage of ", storage_.size(), " bytes");
  }
}

Array Array::empty(const Shape& shape, DType dtype) {
  for (const std::int64_t size : shape) {
    require(size >= 0, ErrorCode::kInvalidArgument, "array", "the size ", size, " is negative");
  }
  const auto elements = static_cast<std::uint64_t>(shape.numel());
  const std::uint64_t bytes = checked_mul<std::uint64_t>(elements, sconce::itemsize(dtype), "array");
  return {Storage::allocate(bytes), dtype, Geometry::contiguous(shape), nullptr};
}

Array Array::zeros(const Shape& shape, DType dtype) {
  Array out = empty(shape, dtype);
  std::memset(out.mutable_raw(), 0, out.nbytes());
  return out;
}

Array Array::ones(const Shape& shape, DType dtype) { return full(shape, 1.0, dtype); }

Array Array::full(const Shape& shape, double value, DType dtype) {
  Array out = empty(shape, dtype);
  out.fill(value);
  return out;
}

Array Array::from_bytes(std::span<const std::byte> bytes, DType dtype, const Shape& shape) {
  Array out = empty(shape, dtype);
  require(bytes.size() == out.nbytes(), ErrorCode::kShapeMismatch, "array", "shape ", shape, " of ", dtype,
          " needs ", out.nbytes(), " bytes, got ", bytes.size());
  if (!bytes.empty()) std::memcpy(out.mutable_raw(), bytes.data(), bytes.size());
  return out;
}

Array Array::with_geometry(Geometry geometry) const { return {storage_, dtype_, std::move(geometry)}; }

// The views below come from valid geometry and cannot leave the storage.
Array Array::select(std::int64_t dim, std::int64_t index) const {
  return {storage_, dtype_, geometry_.select(dim, index), nullptr};
}
Array Array::narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const {
  return {storage_, dtype_, geometry_.narrow(dim, start, length), nullptr};
}
Array Array::slice(std::int64_t dim, const Slice& bounds) const {
  return {storage_, dtype_, geometry_.slice(dim, bounds), nullptr};
}
Array Array::index(std::initializer_list<Index> indices) const {
  return {storage_, dtype_, geometry_.index(indices), nullptr};
}
Array Array::transpose(std::int64_t dim0, std::int64_t dim1) const {
  return {storage_, dtype_, geometry_.transpose(dim0, dim1), nullptr};
}
Array Array::permute(std::initializer_list<std::int64_t> dims) const {
  return {storage_, dtype_, geometry_.permute(dims), nullptr};
}
Array Array::expand(const Shape& wanted) const {
  return {storage_, dtype_, geometry_.expand(wanted), nullptr};
}
Array Array::squeeze() const { return {storage_, dtype_, geometry_.squeeze(), nullptr}; }
Array Array::squeeze(std::int64_t dim) const { return {storage_, dtype_, geometry_.squeeze(dim), nullptr}; }
Array Array::unsqueeze(std::int64_t dim) const {
  return {storage_, dtype_, geometry_.unsqueeze(dim), nullptr};
}

Array Array::view(const Shape& wanted) const {
  auto viewed = geometry_.view(wanted);
  require(viewed.has_value(), ErrorCode::kShapeMismatch, "view", "shape ", shape(),
          " with its strides cannot be viewed as ", wanted, "; use reshape");
  return {storage_, dtype_, std::move(*viewed), nullptr};
}

Array Array::reshape(const Shape& wanted) const {
  if (auto viewed = geometry_.view(wanted)) return {storage_, dtype_, std::move(*viewed), nullptr};
  return clone().view(wanted);
}

Array Array::flatten(std::int64_t start_dim, std::int64_t end_dim) const {
  return reshape(flattened_shape(shape(), start_dim, end_dim));
}

Array Array::contiguous() const { return is_contiguous() ? *this : clone(); }

Array Array::clone() const {
  Array out = empty(shape(), dtype_);
  copy_to_contiguous(*this, {out.mutable_raw(), out.nbytes()});
  return out;
}

bool Array::same_bits(const Array& other) const {
  if (dtype_ != other.dtype_ || shape() != other.shape()) return false;
  const Array a = contiguous();
  const Array b = other.contiguous();
  return a.nbytes() == 0 || std::memcmp(a.raw(), b.raw(), a.nbytes()) == 0;
}

void copy_to_contiguous(const Array& array, std::span<std::byte> out) {
  require(out.size() == array.nbytes(), ErrorCode::kInvalidArgument, "array", "expected room for ",
          array.nbytes(), " bytes, got ", out.size());
  copy_strided(out.data(), contiguous_strides(array.shape()), array.raw(), array.strides(), array.shape(),
               array.itemsize());
}

}  // namespace sconce
