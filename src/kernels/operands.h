// Checks and access that the neural-network kernels share.
#pragma once

#include <initializer_list>

#include "kernels/dispatch.h"
#include "sconce/core/array.h"

namespace sconce::kernels {

// Error kDTypeMismatch unless every defined array of `others` has the dtype of `first`.
inline void check_same_dtype(const Array& first, std::initializer_list<const Array*> others,
                             std::string_view where) {
  for (const Array* other : others) {
    if (other->defined()) require_same_dtype(where, first, *other);
  }
}

// The first element, or null for an undefined array.
template <class T>
const T* data_or_null(const Array& array) {
  return array.defined() ? array.data<T>() : nullptr;
}

}  // namespace sconce::kernels
