// Memory for large blocks that are written from end to end: on huge pages, one fault does what takes 512 on
// plain ones.
#pragma once

#include <cstddef>
#include <new>

namespace sconce {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20;  // bytes

// `bytes` aligned to `alignment` (a power of two, at most kHugePage), or null where there is no memory.
// Blocks of kHugePage and more are aligned to that and may be given huge pages: a part that is never written
// then still takes memory.
void* allocate_block(std::size_t bytes, std::size_t alignment) noexcept;
// With what it was allocated with.
void free_block(void* data, std::size_t bytes, std::size_t alignment) noexcept;

// `bytes`, or more up to the end of a huge page that they take more than half of: the kernel gives none that
// is cut.
constexpr std::size_t to_huge_page(std::size_t bytes) {
  const std::size_t rest = bytes % kHugePage;
  const bool is_rounded = rest > kHugePage / 2 && bytes <= static_cast<std::size_t>(-1) - kHugePage;
  return is_rounded ? bytes - rest + kHugePage : bytes;
}

// The allocator of std::vector that takes such blocks.
template <class T>
struct BlockAllocator {
  using value_type = T;

  BlockAllocator() = default;
  template <class Other>
  BlockAllocator(const BlockAllocator<Other>&) noexcept {}  // NOLINT(google-explicit-constructor)

  T* allocate(std::size_t count) {
    void* const data = count <= static_cast<std::size_t>(-1) / sizeof(T)
                           ? allocate_block(to_huge_page(count * sizeof(T)), alignof(T))
                           : nullptr;
    if (data == nullptr) throw std::bad_alloc();
    return static_cast<T*>(data);
  }
  void deallocate(T* data, std::size_t count) noexcept {
    free_block(data, to_huge_page(count * sizeof(T)), alignof(T));
  }
  friend bool operator==(const BlockAllocator&, const BlockAllocator&) { return true; }
};

}  // namespace sconce
