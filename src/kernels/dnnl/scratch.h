// Memory that a primitive needs while it computes.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "sconce/base/huge_pages.h"

namespace sconce::kernels::onednn {

// Large blocks that one computation after the other uses, whatever its size: primitives of one network want
// very different sizes, and a block for each would be most of what a training step holds. A block that was at
// least twice as large as anything asked of it for a while is given back. Usable from several threads, which
// get blocks of their own.
class ScratchPool {
 public:
  ScratchPool() = default;
  ScratchPool(const ScratchPool&) = delete;
  ScratchPool& operator=(const ScratchPool&) = delete;
  ~ScratchPool();

  // One block, for as long as this lives.
  class Lease {
   public:
    // Error kLimit where there is no memory.
    Lease(ScratchPool& pool, std::size_t bytes) : pool_(pool), block_(pool.take(bytes)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_.give_back(block_); }
    std::byte* data() const { return block_.data; }

   private:
    friend class ScratchPool;
    struct Block {
      std::byte* data = nullptr;
      std::size_t size = 0;
      std::size_t most_wanted = 0;  // of late
    };
    ScratchPool& pool_;
    Block block_;
  };

  // Bytes that nobody uses now.
  std::size_t kept_bytes() const;

 private:
  using Block = Lease::Block;
  Block take(std::size_t bytes);
  void give_back(const Block& block) noexcept;
  void forget_unused() noexcept;

  mutable std::mutex mutex_;
  std::vector<Block> kept_;  // the last one was used last
  std::size_t leased_ = 0;
  std::size_t until_check_ = 0;
};

// That of the process. It is never destroyed: a thread may still compute while the process ends.
ScratchPool& scratch_pool();

}  // namespace sconce::kernels::onednn
