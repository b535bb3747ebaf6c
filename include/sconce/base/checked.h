// Integer arithmetic that cannot wrap silently. Every size that comes from a file goes through these.
#pragma once

#include <concepts>
#include <utility>

#include "sconce/base/error.h"

namespace sconce {

// a + b, or Error kOverflow.
template <std::integral T>
T checked_add(T a, T b, std::string_view where) {
  T out;
  if (__builtin_add_overflow(a, b, &out)) [[unlikely]]
    fail(ErrorCode::kOverflow, where, a, " + ", b, " does not fit");
  return out;
}

// a - b, or Error kOverflow.
template <std::integral T>
T checked_sub(T a, T b, std::string_view where) {
  T out;
  if (__builtin_sub_overflow(a, b, &out)) [[unlikely]]
    fail(ErrorCode::kOverflow, where, a, " - ", b, " does not fit");
  return out;
}

// a * b, or Error kOverflow.
template <std::integral T>
T checked_mul(T a, T b, std::string_view where) {
  T out;
  if (__builtin_mul_overflow(a, b, &out)) [[unlikely]]
    fail(ErrorCode::kOverflow, where, a, " * ", b, " does not fit");
  return out;
}

// `value` as To, or Error kOverflow.
template <std::integral To, std::integral From>
To checked_cast(From value, std::string_view where) {
  if (!std::in_range<To>(value)) [[unlikely]]
    fail(ErrorCode::kOverflow, where, "the number ", value, " is out of range");
  return static_cast<To>(value);
}

}  // namespace sconce
