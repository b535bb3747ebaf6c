// SHA-256 of array contents, as the golden files hold them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sconce/codec/sha256.h"
#include "sconce/core/array.h"

namespace sconce::test {

// The digest of the elements in row-major order.
inline std::string sha256_of(const Array& array) {
  const Array dense = array.contiguous();
  return sha256_hex({dense.raw(), dense.nbytes()});
}

inline std::string sha256_of(const std::vector<std::int64_t>& values) {
  return sha256_of(Array::from(values, Shape{static_cast<std::int64_t>(values.size())}));
}

}  // namespace sconce::test
