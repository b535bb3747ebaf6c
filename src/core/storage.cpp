#include "sconce/core/storage.h"

#include <atomic>
#include <new>

#include "sconce/base/error.h"

namespace sconce {
namespace {

class HeapAllocator final : public Allocator {
 public:
  std::byte* allocate(std::size_t size) override {
    void* data = ::operator new (size == 0 ? 1 : size, std::align_val_t{kStorageAlignment}, std::nothrow);
    require(data != nullptr, ErrorCode::kLimit, "storage", "cannot allocate ", size, " bytes");
    return static_cast<std::byte*>(data);
  }
  void deallocate(std::byte* data, std::size_t) noexcept override {
    ::operator delete (data, std::align_val_t{kStorageAlignment});
  }
};

std::atomic<Allocator*>& default_slot() {
  static HeapAllocator* const heap = new HeapAllocator;  // never destroyed: storages may outlive main
  static std::atomic<Allocator*> slot{heap};
  return slot;
}

}  // namespace

Allocator& default_allocator() { return *default_slot().load(std::memory_order_acquire); }

Allocator& set_default_allocator(Allocator& allocator) { return *default_slot().exchange(&allocator); }

Storage::Block::~Block() {
  if (allocator) allocator->deallocate(data, size);
}

Storage Storage::allocate(std::size_t size, Allocator& allocator) {
  auto block = make_ref<Block>();
  block->data = allocator.allocate(size);
  block->size = size;
  block->allocator = &allocator;
  return Storage(std::move(block));
}

Storage Storage::wrap(std::span<std::byte> bytes, std::shared_ptr<const void> owner) {
  auto block = make_ref<Block>();
  block->data = bytes.data();
  block->size = bytes.size();
  block->owner = std::move(owner);
  return Storage(std::move(block));
}

}  // namespace sconce
