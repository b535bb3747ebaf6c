// Large blocks of memory in huge pages, where the system has them.
#pragma once

#include <cstddef>

namespace sconce {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

// `bytes` bytes aligned to `alignment`; null when there is no memory. Blocks of a huge page or more begin at
// one and ask for huge pages: with small ones every 4096 bytes cost a fault when they are first written.
void* allocate_block(std::size_t bytes, std::size_t alignment) noexcept;
void free_block(void* data, std::size_t bytes, std::size_t alignment) noexcept;

}  // namespace sconce
