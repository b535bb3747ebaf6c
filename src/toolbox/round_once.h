// Rounding a double to a narrow type once.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace sconce::toolbox {

// `value` as a float whose last bit says that it is not exact ("round to odd"): rounding that to a type with
// at most 22 bits of mantissa gives what rounding `value` itself would.
inline float sticky_float(double value) {
  const auto nearest = static_cast<float>(value);
  if (std::isnan(value) || static_cast<double>(nearest) == value) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) --bits;  // towards zero
  return std::bit_cast<float>(bits | 1U);
}

// `value` rounded to T, to nearest, ties to even.
template <class T>
T round_once(double value) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(value);
  else
    return T(sticky_float(value));
}

}  // namespace sconce::toolbox
