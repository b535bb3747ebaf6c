// CRC-32 as zip and zlib define it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sconce {

// The checksum of `data`, or of what `previous` is the checksum of followed by `data`.
std::uint32_t crc32(std::span<const std::byte> data, std::uint32_t previous = 0);

}  // namespace sconce
