// SHA-256 of array contents, as the golden files hold them.
#pragma once

#include <string>

#include "sconce/codec/sha256.h"
#include "sconce/core/array.h"

namespace sconce::test {

// The digest of the elements in row-major order.
inline std::string sha256_of(const Array& array) {
  const Array dense = array.contiguous();
  return sha256_hex({dense.raw(), dense.nbytes()});
}

}  // namespace sconce::test
