// Memory of tensors: blocks that were given back are kept and handed out again.
#pragma once

#include <cstddef>

#include "sconce/core/storage.h"

namespace sconce::kernels {

// Keeps blocks by size, because a training step asks for the same sizes again and again and fresh pages cost
// more than most operations on them. Sizes are rounded up to one of four classes per power of two; large
// blocks lie on huge pages. When a new block is needed, what is kept is given back to the system, the largest
// blocks first, as far as it makes more than two and a half times what was in use at once of late. Usable
// from several threads: each keeps a few small blocks for itself, so that small operations wait for no one.
class CachingAllocator final : public Allocator {
 public:
  // `keeps_by_thread`: for one allocator of the process, which lives as long as its threads.
  explicit CachingAllocator(bool keeps_by_thread = false);
  ~CachingAllocator() override;
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  std::byte* allocate(std::size_t size) override;
  void deallocate(std::byte* data, std::size_t size) noexcept override;

  // Gives every kept block back to the system.
  void trim() noexcept;
  // Bytes of kept blocks and of blocks in use; what threads keep for themselves counts as used.
  std::size_t kept_bytes() const;
  std::size_t used_bytes() const;

 private:
  struct Pool;
  class Local;
  void give_back(void* data, std::size_t index) noexcept;
  Pool* pool_;
  bool keeps_by_thread_;
};

// The allocator of this process's tensors. It becomes the default allocator when a program has tensors,
// unless the environment says SCONCE_ALLOCATOR=heap or the program is built with the address sanitizer, which
// wants to see every block come and go.
CachingAllocator& caching_allocator();
void use_caching_allocator();

}  // namespace sconce::kernels
