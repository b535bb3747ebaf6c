#include "kernels/dnnl/scratch.h"

#include <algorithm>
#include <utility>

#include "sconce/base/error.h"
#include "sconce/core/storage.h"

namespace sconce::kernels::onednn {
namespace {

// How many computations make "a while": more than a step of most networks.
constexpr std::size_t kWhile = 512;

void free_scratch(std::byte* data, std::size_t size) noexcept { free_block(data, size, kStorageAlignment); }

}  // namespace

ScratchPool::~ScratchPool() {
  for (const Block& block : kept_) free_scratch(block.data, block.size);
}

void ScratchPool::forget_unused() noexcept {
  std::erase_if(kept_, [](Block& block) {
    const bool is_too_large = block.most_wanted < block.size / 2;
    if (is_too_large) free_scratch(block.data, block.size);
    block.most_wanted = 0;
    return is_too_large;
  });
  until_check_ = kWhile;
}

ScratchPool::Block ScratchPool::take(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  if (until_check_-- == 0) forget_unused();
  kept_.reserve(kept_.size() + leased_ + 1);  // so that giving back needs no memory
  const auto fits = [&](const Block& block) { return block.size >= bytes; };
  const auto found = std::find_if(kept_.rbegin(), kept_.rend(), fits);
  Block block;
  if (found != kept_.rend()) {
    block = *found;
    kept_.erase(std::next(found).base());
  } else {
    // One that is too small makes room for the larger one.
    if (!kept_.empty()) {
      free_scratch(kept_.back().data, kept_.back().size);
      kept_.pop_back();
    }
    block = {static_cast<std::byte*>(allocate_block(bytes, kStorageAlignment)), bytes, 0};
    require(block.data != nullptr, ErrorCode::kLimit, "scratch", "cannot allocate ", bytes, " bytes");
  }
  block.most_wanted = std::max(block.most_wanted, bytes);
  ++leased_;
  return block;
}

void ScratchPool::give_back(const Block& block) noexcept {
  const std::scoped_lock lock(mutex_);
  kept_.push_back(block);
  --leased_;
}

std::size_t ScratchPool::kept_bytes() const {
  const std::scoped_lock lock(mutex_);
  std::size_t sum = 0;
  for (const Block& block : kept_) sum += block.size;
  return sum;
}

ScratchPool& scratch_pool() {
  static auto* const instance = new ScratchPool;
  return *instance;
}

}  // namespace sconce::kernels::onednn
