#include "sconce/codec/crc32.h"

#include <zlib.h>

namespace sconce {

std::uint32_t crc32(std::span<const std::byte> data, std::uint32_t previous) {
  // zlib reads a null pointer as "start anew", whatever `previous` is.
  if (data.empty()) return previous;
  return static_cast<std::uint32_t>(
      ::crc32_z(previous, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

}  // namespace sconce
