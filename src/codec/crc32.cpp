#include "sconce/codec/crc32.h"

#include <zlib.h>

namespace sconce {

std::uint32_t crc32(std::span<const std::byte> data, std::uint32_t previous) {
  // zlib reads a null pointer as "start anew", whatever `previous` is.
  if (data.empty()) return previous;
  return static_cast<std::uint32_t>(
      ::crc32_z(previous, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

std::uint32_t crc32_combine(std::uint32_t first, std::uint32_t second, std::uint64_t second_size) {
  return static_cast<std::uint32_t>(::crc32_combine(first, second, static_cast<z_off_t>(second_size)));
}

}  // namespace sconce
