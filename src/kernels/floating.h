// Calls a templated kernel for the two element types that kernels compute in.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "sconce/core/array.h"

namespace sconce::kernels {

// visitor(std::type_identity<float or double>{}); Error kDTypeMismatch for any other dtype.
template <class Visitor>
decltype(auto) visit_floating(DType dtype, const char* where, Visitor&& visitor) {
  if (dtype == kFloat32) return visitor(std::type_identity<float>{});
  require(dtype == kFloat64, ErrorCode::kDTypeMismatch, where, "expected float32 or float64, found ", dtype);
  return visitor(std::type_identity<double>{});
}

// Error kDTypeMismatch unless every defined array of `others` has the dtype of `first`.
inline void check_same_dtype(const Array& first, std::initializer_list<const Array*> others,
                             const char* where) {
  for (const Array* other : others) {
    require(!other->defined() || other->dtype() == first.dtype(), ErrorCode::kDTypeMismatch, where,
            "expected ", first.dtype(), " everywhere, found ", other->dtype());
  }
}

// The first element, or null for an undefined array.
template <class T>
const T* data_or_null(const Array& array) {
  return array.defined() ? array.data<T>() : nullptr;
}

}  // namespace sconce::kernels
