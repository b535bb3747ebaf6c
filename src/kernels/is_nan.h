#pragma once

#include <cmath>
#include <type_traits>

namespace sconce::kernels {

// Of any number: no integer is.
template <class T>
bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(x);
  return false;
}

}  // namespace sconce::kernels
