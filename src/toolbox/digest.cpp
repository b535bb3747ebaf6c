#include "sconce/toolbox/digest.h"

#include <bit>

#include "sconce/codec/sha256.h"
#include "sconce/core/expanded.h"

namespace sconce::toolbox {

static_assert(std::endian::native == std::endian::little, "arrays are hashed as they lie in memory");

std::string tensor_digest(const Array& array) {
  refuse_expanded(array);
  const Array dense = array.contiguous();
  return sha256_hex({dense.raw(), dense.nbytes()});
}

}  // namespace sconce::toolbox
