// The sizes in which CachingAllocator keeps blocks: 64 bytes, then four per power of two.
#pragma once

#include <bit>
#include <cstddef>

namespace sconce::kernels {

inline constexpr std::size_t kSmallestClass = 64;
inline constexpr std::size_t kLargestClass = std::size_t{1} << 40;

// The index of the smallest class that holds `size` bytes; size <= kLargestClass.
constexpr std::size_t size_class(std::size_t size) {
  if (size <= kSmallestClass) return 0;
  const auto octave =
      static_cast<std::size_t>(std::bit_width(size - 1)) - 1;  // 2^octave < size <= 2^(octave + 1)
  const std::size_t quarter = (size - 1) >> (octave - 2) & 3;
  return (octave - 6) * 4 + quarter + 1;
}

// Bytes of a class.
constexpr std::size_t class_bytes(std::size_t index) {
  if (index == 0) return kSmallestClass;
  const std::size_t octave = (index - 1) / 4 + 6;
  return (std::size_t{1} << octave) + ((index - 1) % 4 + 1) * (std::size_t{1} << (octave - 2));
}

inline constexpr std::size_t kClasses = size_class(kLargestClass) + 1;

}  // namespace sconce::kernels
