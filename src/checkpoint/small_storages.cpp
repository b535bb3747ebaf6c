#include "checkpoint/small_storages.h"

#include <algorithm>

namespace sconce::checkpoint {
namespace {

constexpr std::size_t kLargest = std::size_t{16} << 10;
constexpr std::size_t kFirstSlab = std::size_t{64} << 10;
constexpr std::size_t kLargestSlab = std::size_t{2} << 20;

}  // namespace

Storage SmallStorages::allocate(std::size_t size) {
#if defined(__SANITIZE_ADDRESS__)
  return Storage::allocate(size);  // whose edges are watched
#endif
  if (size > kLargest) return Storage::allocate(size);
  const std::size_t room = (size + kStorageAlignment - 1) / kStorageAlignment * kStorageAlignment;
  if (!slab_ || room > slab_->size() - used_) {
    const std::size_t next = slab_ ? std::min(2 * slab_->size(), kLargestSlab) : kFirstSlab;
    slab_ = std::make_shared<Storage>(Storage::allocate(next));
    used_ = 0;
  }
  std::byte* const first = slab_->mutable_data() + used_;
  used_ += room;
  return Storage::wrap({first, size}, slab_);
}

}  // namespace sconce::checkpoint
