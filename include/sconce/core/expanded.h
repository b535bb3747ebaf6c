// Arrays that are larger than what they stand on.
#pragma once

#include <cstdint>

#include "sconce/core/array.h"

namespace sconce {

inline constexpr std::uint64_t kExpandedBytes = std::uint64_t{1} << 30;

// Throws kLimit for an array that repeats the bytes of its storage (strides of 0, as expand() makes) up to
// more than `limit` bytes: a file of 1 KB can hold one of 2^40 elements. What walks over every element of an
// array that comes from a file asks this first. Arrays as large as their storage are fine, however large.
void refuse_expanded(const Array& array, std::uint64_t limit = kExpandedBytes);

}  // namespace sconce
