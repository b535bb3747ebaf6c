#include "sconce/core/storage.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "sconce/base/error.h"
#include "sconce/base/huge_pages.h"

namespace sconce {
namespace {

class HeapAllocator final : public Allocator {
 public:
  std::byte* allocate(std::size_t size) override {
    void* data = allocate_block(std::max<std::size_t>(1, size), kStorageAlignment);
    require(data != nullptr, ErrorCode::kLimit, "storage", "cannot allocate ", size, " bytes");
    return static_cast<std::byte*>(data);
  }
  void deallocate(std::byte* data, std::size_t size) noexcept override {
    free_block(data, std::max<std::size_t>(1, size), kStorageAlignment);
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

struct Storage::Pending {
  std::shared_ptr<const StorageSource> source;
  std::mutex mutex;  // of two threads that look first at once, one reads
};

Storage::Block::Block() = default;

Storage::Block::~Block() {
  std::byte* const first = data.load(std::memory_order_relaxed);
  if (allocator && first != nullptr) allocator->deallocate(first, size);
}

std::byte* Storage::Block::load() {
  const std::lock_guard lock(pending->mutex);
  std::byte* first = data.load(std::memory_order_acquire);
  if (first != nullptr) return first;
  first = allocator->allocate(size);
  try {
    pending->source->read({first, size});
  } catch (...) {
    allocator->deallocate(first, size);
    throw;
  }
  data.store(first, std::memory_order_release);
  return first;
}

Storage Storage::allocate(std::size_t size, Allocator& allocator) {
  auto block = make_ref<Block>();
  block->data = allocator.allocate(size);
  block->size = size;
  block->allocator = &allocator;
  return Storage(std::move(block));
}

Storage Storage::deferred(std::size_t size, std::shared_ptr<const StorageSource> source) {
  auto block = make_ref<Block>();
  block->size = size;
  block->allocator = &default_allocator();
  block->pending = std::make_unique<Pending>();
  block->pending->source = std::move(source);
  return Storage(std::move(block));
}

void Storage::stream(const StorageSource::Piece& piece) const {
  if (!block_) return;
  if (is_loaded() || !block_->pending) return piece({data(), size()});
  block_->pending->source->stream(piece);
}

void Storage::release() const {
  if (!block_ || !block_->pending || version() != 0) return;
  const std::lock_guard lock(block_->pending->mutex);
  std::byte* const first = block_->data.exchange(nullptr, std::memory_order_acq_rel);
  if (first != nullptr) block_->allocator->deallocate(first, block_->size);
}

namespace {

// One for all: attachments are few and only looked at.
std::mutex& attachment_mutex() {
  static std::mutex& mutex = *new std::mutex;
  return mutex;
}

}  // namespace

std::shared_ptr<const void> Storage::attachment(const void* who) const {
  if (!block_) return nullptr;
  const std::lock_guard lock(attachment_mutex());
  const bool is_there = block_->attached_by == who && block_->attached_version == version();
  return is_there ? block_->attached : nullptr;
}

void Storage::attach(const void* who, std::shared_ptr<const void> what, std::uint32_t version) const {
  if (!block_) return;
  const std::lock_guard lock(attachment_mutex());
  block_->attached.swap(what);  // what was there goes when the lock is gone
  block_->attached_by = who;
  block_->attached_version = version;
}

Storage Storage::wrap(std::span<std::byte> bytes, std::shared_ptr<const void> owner) {
  auto block = make_ref<Block>();
  block->data = bytes.data();
  block->size = bytes.size();
  block->owner = std::move(owner);
  return Storage(std::move(block));
}

}  // namespace sconce
