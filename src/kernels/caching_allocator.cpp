#include <sys/mman.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string_view>

#include "kernels/size_class.h"
#include "sconce/base/error.h"
#include "sconce/kernels/memory.h"

namespace sconce::kernels {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
// What may always be kept: below this, giving back brings nothing.
constexpr std::size_t kAlwaysKept = std::size_t{64} << 20;

std::size_t alignment_of(std::size_t bytes) { return bytes >= kHugePage ? kHugePage : kStorageAlignment; }

void* fresh_block(std::size_t bytes) {
  void* data = ::operator new (bytes, std::align_val_t{alignment_of(bytes)}, std::nothrow);
  // A wish: without huge pages it is slower, not wrong.
  if (data != nullptr && bytes >= kHugePage) static_cast<void>(::madvise(data, bytes, MADV_HUGEPAGE));
  return data;
}

void free_block(void* data, std::size_t bytes) noexcept {
  ::operator delete (data, std::align_val_t{alignment_of(bytes)});
}

// A kept block holds the link to the next one of its class.
struct Kept {
  Kept* next;
};

}  // namespace

struct CachingAllocator::Pool {
  std::mutex mutex;
  std::array<Kept*, kClasses> kept{};
  std::size_t kept_bytes = 0;
  std::size_t used_bytes = 0;

  // The caller holds the mutex.
  void* take(std::size_t index) {
    Kept* const block = kept[index];
    if (block == nullptr) return nullptr;
    kept[index] = block->next;
    kept_bytes -= class_bytes(index);
    return block;
  }

  void trim() noexcept {
    for (std::size_t index = 0; index < kClasses; ++index) {
      while (void* block = take(index)) free_block(block, class_bytes(index));
    }
  }
};

CachingAllocator::CachingAllocator() : pool_(new Pool) {}

CachingAllocator::~CachingAllocator() {
  pool_->trim();
  delete pool_;
}

std::byte* CachingAllocator::allocate(std::size_t size) {
  require(size <= kLargestClass, ErrorCode::kLimit, "storage", "cannot allocate ", size, " bytes");
  const std::size_t index = size_class(size);
  const std::size_t bytes = class_bytes(index);
  const std::lock_guard lock(pool_->mutex);
  void* data = pool_->take(index);
  if (data == nullptr) {
    if (pool_->kept_bytes > kAlwaysKept && pool_->kept_bytes > pool_->used_bytes) pool_->trim();
    data = fresh_block(bytes);
  }
  if (data == nullptr) {
    pool_->trim();
    data = fresh_block(bytes);
  }
  require(data != nullptr, ErrorCode::kLimit, "storage", "cannot allocate ", size, " bytes");
  pool_->used_bytes += bytes;
  return static_cast<std::byte*>(data);
}

void CachingAllocator::deallocate(std::byte* data, std::size_t size) noexcept {
  const std::size_t index = size_class(size);
  const std::lock_guard lock(pool_->mutex);
  pool_->kept[index] = new (data) Kept{pool_->kept[index]};
  pool_->kept_bytes += class_bytes(index);
  pool_->used_bytes -= class_bytes(index);
}

void CachingAllocator::trim() noexcept {
  const std::lock_guard lock(pool_->mutex);
  pool_->trim();
}

std::size_t CachingAllocator::kept_bytes() const {
  const std::lock_guard lock(pool_->mutex);
  return pool_->kept_bytes;
}

std::size_t CachingAllocator::used_bytes() const {
  const std::lock_guard lock(pool_->mutex);
  return pool_->used_bytes;
}

CachingAllocator& caching_allocator() {
  static auto* const instance = new CachingAllocator;  // never destroyed: storages may outlive main
  return *instance;
}

void use_caching_allocator() {
#if defined(__SANITIZE_ADDRESS__)
  return;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return;
#endif
#endif
  const char* text = std::getenv("SCONCE_ALLOCATOR");
  if (text != nullptr && std::string_view(text) == "heap") return;
  set_default_allocator(caching_allocator());
}

}  // namespace sconce::kernels
