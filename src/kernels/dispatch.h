// From the dtype of arrays to the C++ type a kernel is instantiated for.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "kernels/loops.h"
#include "sconce/core/array.h"

namespace sconce::kernels {

[[noreturn]] inline void fail_dtype(std::string_view name, DType dtype) {
  fail(ErrorCode::kDTypeMismatch, name, "not defined for ", dtype);
}

inline void require_same_dtype(std::string_view name, const Array& a, const Array& b) {
  require(a.dtype() == b.dtype(), ErrorCode::kDTypeMismatch, name, "expected equal dtypes, found ", a.dtype(),
          " and ", b.dtype());
}

inline bool is_half(DType dtype) { return dtype == kFloat16 || dtype == kBFloat16; }

// Every dtype's elements as unsigned integers of the same size, to move them.
template <class Visitor>
void visit_itemsize(std::size_t size, Visitor&& visitor) {
  struct Three {
    std::uint8_t part[3];
  };
  struct Sixteen {
    std::uint64_t half[2];
  };
  if (size == 1) return visitor(std::type_identity<std::uint8_t>{});
  if (size == 2) return visitor(std::type_identity<std::uint16_t>{});
  if (size == 3) return visitor(std::type_identity<Three>{});
  if (size == 4) return visitor(std::type_identity<std::uint32_t>{});
  if (size == 8) return visitor(std::type_identity<std::uint64_t>{});
  visitor(std::type_identity<Sixteen>{});
}

// Calls visitor(type_identity<T>) for bool, integers, float and double; Error kDTypeMismatch for others.
template <class Visitor>
void visit_real(std::string_view name, DType dtype, Visitor&& visitor) {
  if (!is_integral(dtype) && dtype != kFloat32 && dtype != kFloat64) fail_dtype(name, dtype);
  visit_dtype(dtype, [&]<class T>(std::type_identity<T> type) {
    if constexpr (std::is_arithmetic_v<T>) visitor(type);
  });
}

// Calls visitor(type_identity<T>) for float and double; Error kDTypeMismatch for others.
template <class Visitor>
void visit_floating(std::string_view name, DType dtype, Visitor&& visitor) {
  if (dtype == kFloat32) return visitor(std::type_identity<float>{});
  if (dtype == kFloat64) return visitor(std::type_identity<double>{});
  fail_dtype(name, dtype);
}

// f on every element of x, for floating dtypes; the half types go by way of float32.
template <class F>
Array unary_floating(std::string_view name, const Array& x, F f) {
  if (is_half(x.dtype())) return unary_floating(name, x.cast(kFloat32), f).cast(x.dtype());
  Array out = Array::empty(x.shape(), x.dtype());
  visit_floating(name, x.dtype(), [&]<class T>(std::type_identity<T>) {
    map_into<T, T>(out.mutable_data<T>(), out.strides(), x, out.shape(), f);
  });
  return out;
}

// The same for integers and bools too.
template <class F>
Array unary_real(std::string_view name, const Array& x, F f) {
  if (is_half(x.dtype())) return unary_real(name, x.cast(kFloat32), f).cast(x.dtype());
  Array out = Array::empty(x.shape(), x.dtype());
  visit_real(name, x.dtype(), [&]<class T>(std::type_identity<T>) {
    map_into<T, T>(out.mutable_data<T>(), out.strides(), x, out.shape(), f);
  });
  return out;
}

// A new array for f(a, b).
inline Array room_for(std::string_view name, const Array& a, const Array& b, DType dtype) {
  if (a.shape() == b.shape()) return Array::empty(a.shape(), dtype);
  return Array::empty(broadcast_shapes(a.shape(), b.shape(), name), dtype);
}

// f on every pair of elements of a and b, for floating dtypes.
template <class F>
Array binary_floating(std::string_view name, const Array& a, const Array& b, F f) {
  require_same_dtype(name, a, b);
  if (is_half(a.dtype())) {
    return binary_floating(name, a.cast(kFloat32), b.cast(kFloat32), f).cast(a.dtype());
  }
  Array out = room_for(name, a, b, a.dtype());
  visit_floating(name, a.dtype(), [&]<class T>(std::type_identity<T>) {
    zip_into<T, T>(out.mutable_data<T>(), out.strides(), a, b, out.shape(), f);
  });
  return out;
}

// The same for integers and bools too.
template <class F>
Array binary_real(std::string_view name, const Array& a, const Array& b, F f) {
  require_same_dtype(name, a, b);
  if (is_half(a.dtype())) return binary_real(name, a.cast(kFloat32), b.cast(kFloat32), f).cast(a.dtype());
  Array out = room_for(name, a, b, a.dtype());
  visit_real(name, a.dtype(), [&]<class T>(std::type_identity<T>) {
    zip_into<T, T>(out.mutable_data<T>(), out.strides(), a, b, out.shape(), f);
  });
  return out;
}

// f on every pair, giving bools.
template <class F>
Array compare_real(std::string_view name, const Array& a, const Array& b, F f) {
  require_same_dtype(name, a, b);
  if (is_half(a.dtype())) return compare_real(name, a.cast(kFloat32), b.cast(kFloat32), f);
  Array out = room_for(name, a, b, kBool);
  visit_real(name, a.dtype(), [&]<class T>(std::type_identity<T>) {
    zip_into<bool, T>(out.mutable_data<bool>(), out.strides(), a, b, out.shape(), f);
  });
  return out;
}

}  // namespace sconce::kernels
