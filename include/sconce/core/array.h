// Strided data: dtype, shape, strides, offset and a shared storage. No gradient.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "sconce/base/error.h"
#include "sconce/core/dtype.h"
#include "sconce/core/geometry.h"
#include "sconce/core/shape.h"
#include "sconce/core/storage.h"
#include "sconce/core/visit_dtype.h"

namespace sconce {

// A cheap handle: copies and views share the storage. A default-constructed Array is undefined (PyTorch's
// None where a tensor may be absent); only defined(), assignment and destruction are allowed on it.
class Array {
 public:
  Array() = default;
  // A view of `storage`; Error kInvalidArgument when any element would lie outside it.
  Array(Storage storage, DType dtype, Geometry geometry);

  // New contiguous arrays. empty() leaves the elements unspecified; the fill value is converted to `dtype`.
  static Array empty(const Shape& shape, DType dtype = kFloat32);
  static Array zeros(const Shape& shape, DType dtype = kFloat32);
  static Array ones(const Shape& shape, DType dtype = kFloat32);
  static Array full(const Shape& shape, double value, DType dtype = kFloat32);
  // A 0-d array.
  template <class T>
  static Array scalar(T value) {
    return from(std::span<const T>(&value, 1), {});
  }
  // A copy of `values` in row-major order; Error kShapeMismatch unless their number fits `shape`.
  template <class T>
  static Array from(std::span<const T> values, const Shape& shape) {
    return from_bytes(std::as_bytes(values), dtype_of<T>, shape);
  }
  template <class T>
  static Array from(std::initializer_list<T> values, const Shape& shape) {
    return from(std::span<const T>(values.begin(), values.size()), shape);
  }
  template <class T>
  static Array from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }
  static Array from_bytes(std::span<const std::byte> bytes, DType dtype, const Shape& shape);

  bool defined() const { return defined_; }
  DType dtype() const { return dtype_; }
  const Geometry& geometry() const { return geometry_; }
  const Shape& shape() const { return geometry_.shape; }
  const Strides& strides() const { return geometry_.strides; }
  std::int64_t offset() const { return geometry_.offset; }  // elements
  const Storage& storage() const { return storage_; }
  std::size_t rank() const { return geometry_.rank(); }
  std::int64_t size(std::int64_t dim) const { return shape()[normalize_dim(dim, rank(), "size")]; }
  std::int64_t numel() const { return geometry_.numel(); }
  std::size_t itemsize() const { return sconce::itemsize(dtype_); }
  std::size_t nbytes() const { return static_cast<std::size_t>(numel()) * itemsize(); }
  bool is_contiguous() const { return geometry_.is_contiguous(); }

  // The first element. The typed forms check the dtype (Error kDTypeMismatch). Mutable access counts as a
  // write to the storage.
  const std::byte* raw() const { return storage_.data() + byte_offset(); }
  std::byte* mutable_raw() { return storage_.mutable_data() + byte_offset(); }
  template <class T>
  const T* data() const {
    check_dtype(dtype_of<T>);
    return reinterpret_cast<const T*>(raw());
  }
  template <class T>
  T* mutable_data() {
    check_dtype(dtype_of<T>);
    return reinterpret_cast<T*>(mutable_raw());
  }
  // The one element of an array with one element, converted to T (Error kShapeMismatch otherwise).
  template <class T>
  T item() const;
  // All elements in row-major order, converted to T.
  template <class T>
  std::vector<T> to_vector() const;

  // Views of the same storage (reshape and flatten copy when no view is possible).
  Array with_geometry(Geometry geometry) const;  // checked against the storage
  Array select(std::int64_t dim, std::int64_t index) const;
  Array narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const;
  Array slice(std::int64_t dim, const Slice& slice) const;
  Array index(std::initializer_list<Index> indices) const;
  Array transpose(std::int64_t dim0, std::int64_t dim1) const;
  Array permute(std::initializer_list<std::int64_t> dims) const;
  Array expand(const Shape& shape) const;
  Array squeeze() const;
  Array squeeze(std::int64_t dim) const;
  Array unsqueeze(std::int64_t dim) const;
  Array view(const Shape& shape) const;  // Error kShapeMismatch when the strides do not allow it
  Array reshape(const Shape& shape) const;
  Array flatten(std::int64_t start_dim = 0, std::int64_t end_dim = -1) const;

  // Itself when contiguous, otherwise a contiguous copy.
  Array contiguous() const;
  // A contiguous copy in storage of its own.
  Array clone() const;
  // Converted to `dtype` as PyTorch's .to(dtype) does; itself when the dtype is right already.
  Array cast(DType dtype) const;
  // Writes `source`, converted and broadcast, into this array's elements.
  void copy_from(const Array& source);
  void fill(double value);

  // True when dtype, shape and every element's bits agree.
  bool same_bits(const Array& other) const;
  // PyTorch's repr: tensor([[1., 2.], [3., 4.]]).
  std::string str() const;

 private:
  Array(Storage storage, DType dtype, Geometry geometry, std::nullptr_t unchecked);
  std::ptrdiff_t byte_offset() const { return geometry_.offset * static_cast<std::ptrdiff_t>(itemsize()); }
  void check_dtype(DType wanted) const {
    if (dtype_ != wanted) [[unlikely]]
      fail(ErrorCode::kDTypeMismatch, "array", "expected ", wanted, ", found ", dtype_);
  }

  Storage storage_;
  Geometry geometry_;
  DType dtype_ = kFloat32;
  bool defined_ = false;
};

std::ostream& operator<<(std::ostream& out, const Array& array);

// Copies elements between strided views of equal shape and item size, of any dtype. The byte ranges may
// overlap only when both views are the same.
void copy_strided(std::byte* target, const Strides& target_strides, const std::byte* source,
                  const Strides& source_strides, const Shape& shape, std::size_t itemsize);
// Elements of `array` in row-major order into `out`, which has nbytes() bytes: how writers and digests see
// it.
void copy_to_contiguous(const Array& array, std::span<std::byte> out);

template <class T>
T Array::item() const {
  require(numel() == 1, ErrorCode::kShapeMismatch, "item", "expected one element, found shape ", shape());
  return *cast(dtype_of<T>).template data<T>();
}

template <class T>
std::vector<T> Array::to_vector() const {
  const Array dense = cast(dtype_of<T>).contiguous();
  const T* first = dense.template data<T>();
  return std::vector<T>(first, first + numel());  // braces would list two bools
}

}  // namespace sconce
