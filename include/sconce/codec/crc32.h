// CRC-32 as zip and zlib define it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sconce {

// The checksum of `data`, or of what `previous` is the checksum of followed by `data`.
std::uint32_t crc32(std::span<const std::byte> data, std::uint32_t previous = 0);

// The checksum of two pieces of data, one after the other, from the checksums of each.
std::uint32_t crc32_combine(std::uint32_t first, std::uint32_t second, std::uint64_t second_size);

}  // namespace sconce
