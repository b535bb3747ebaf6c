#include "checkpoint/small_storages.h"

#include <algorithm>

#include "sconce/base/error.h"
#include "sconce/base/huge_pages.h"

namespace sconce::checkpoint {
namespace {

constexpr std::size_t kLargest = std::size_t{16} << 10;
constexpr std::size_t kFirstSlab = std::size_t{64} << 10;
constexpr std::size_t kGrowth = 8;

std::shared_ptr<std::byte> new_slab(std::size_t size) {
  void* const data = allocate_block(size, kStorageAlignment);
  require(data != nullptr, ErrorCode::kLimit, "storage", "cannot allocate ", size, " bytes");
  return {static_cast<std::byte*>(data),
          [size](std::byte* slab) { free_block(slab, size, kStorageAlignment); }};
}

}  // namespace

Storage SmallStorages::allocate(std::size_t size) {
#if defined(__SANITIZE_ADDRESS__)
  return Storage::allocate(size);  // whose edges are watched
#endif
  if (size > kLargest) return Storage::allocate(size);
  const std::size_t room = (size + kStorageAlignment - 1) / kStorageAlignment * kStorageAlignment;
  if (!slab_ || room > size_ - used_) {
    const std::size_t next = std::clamp(kGrowth * size_, kFirstSlab, kHugePage);
    slab_ = new_slab(next);
    size_ = next;
    used_ = 0;
  }
  std::byte* const first = slab_.get() + used_;
  used_ += room;
  return Storage::wrap({first, size}, slab_);
}

}  // namespace sconce::checkpoint
