// A fingerprint of a tensor's content.
#pragma once

#include <string>

#include "sconce/core/array.h"

namespace sconce::toolbox {

// SHA-256, in lower-case hexadecimal, of the elements in row-major order and little-endian bytes. Shape and
// dtype are not part of it; a quantized array is seen as its integers. Error kLimit for what is expanded
// too far.
std::string tensor_digest(const Array& array);

}  // namespace sconce::toolbox
