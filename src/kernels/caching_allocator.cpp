#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string_view>

#include "kernels/size_class.h"
#include "sconce/base/error.h"
#include "sconce/base/huge_pages.h"
#include "sconce/kernels/memory.h"

namespace sconce::kernels {
namespace {

// What may always be held: below this, giving back brings nothing.
constexpr std::size_t kAlwaysKept = std::size_t{64} << 20;

// A kept block holds the link to the next one of its class.
struct Kept {
  Kept* next;
};

// What one thread keeps for itself: blocks that it took from the allocator and need not give back at once.
constexpr std::size_t kSmallClasses = size_class(4096) + 1;
constexpr std::uint32_t kMostOfClass = 16;

}  // namespace

class CachingAllocator::Local {
 public:
  Local() = default;
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;
  ~Local() {
    for (std::size_t index = 0; index < kSmallClasses; ++index) {
      while (void* block = take(index)) owner_->give_back(block, index);
    }
    is_gone() = true;
  }

  // That of the calling thread; null once the thread is ending.
  static Local* of_thread(CachingAllocator& owner) {
    if (is_gone()) [[unlikely]]
      return nullptr;
    thread_local Local local;
    if (local.owner_ == nullptr) local.owner_ = &owner;
    return local.owner_ == &owner ? &local : nullptr;
  }

  void* take(std::size_t index) {
    Kept* const block = kept_[index];
    if (block == nullptr) return nullptr;
    kept_[index] = block->next;
    --counts_[index];
    return block;
  }
  bool keep(void* data, std::size_t index) {
    if (counts_[index] == kMostOfClass) return false;
    kept_[index] = new (data) Kept{kept_[index]};
    ++counts_[index];
    return true;
  }

 private:
  static bool& is_gone() {
    thread_local bool gone = false;
    return gone;
  }
  CachingAllocator* owner_ = nullptr;
  std::array<Kept*, kSmallClasses> kept_{};
  std::array<std::uint32_t, kSmallClasses> counts_{};
};

// The most that was in use at once of late: a peak counts until so many times its bytes were asked for
// without reaching it again, which no training step does.
class RecentPeak {
 public:
  std::size_t bytes() const { return peak_; }
  // `asked` bytes more are in use, `used` together.
  void see(std::size_t asked, std::size_t used) {
    recent_ = std::max(recent_, used);
    asked_ += asked;
    if (used >= peak_ || asked_ / kForgets > peak_) {
      peak_ = recent_;
      recent_ = 0;
      asked_ = 0;
    }
  }

 private:
  static constexpr std::size_t kForgets = 64;
  std::size_t peak_ = 0;
  std::size_t recent_ = 0;  // since peak_ was set
  std::size_t asked_ = 0;   // the same
};

struct CachingAllocator::Pool {
  std::mutex mutex;
  std::array<Kept*, kClasses> kept{};
  std::size_t kept_bytes = 0;
  std::size_t used_bytes = 0;
  RecentPeak peak;

  // The caller holds the mutex.
  void* take(std::size_t index) {
    Kept* const block = kept[index];
    if (block == nullptr) return nullptr;
    kept[index] = block->next;
    kept_bytes -= class_bytes(index);
    return block;
  }

  // Gives kept blocks back to the system, the largest first, until no more than `most` bytes are kept.
  void trim(std::size_t most = 0) noexcept {
    for (std::size_t index = kClasses; index-- > 0 && kept_bytes > most;) {
      while (kept_bytes > most) {
        void* const block = take(index);
        if (block == nullptr) break;
        free_block(block, class_bytes(index), kStorageAlignment);
      }
    }
  }

  // Before `bytes` fresh ones are taken. Steps that repeat themselves need more blocks than they use at once,
  // since each class has a peak of its own: twice as many was seen (ResNet-20).
  void make_room(std::size_t bytes) noexcept {
    const std::size_t most = std::max(kAlwaysKept, peak.bytes() * 5 / 2);
    const std::size_t held = used_bytes + bytes;
    trim(held < most ? most - held : 0);
  }
};

CachingAllocator::CachingAllocator(bool keeps_by_thread)
    : pool_(new Pool), keeps_by_thread_(keeps_by_thread) {}

CachingAllocator::~CachingAllocator() {
  pool_->trim();
  delete pool_;
}

std::byte* CachingAllocator::allocate(std::size_t size) {
  require(size <= kLargestClass, ErrorCode::kLimit, "storage", "cannot allocate ", size, " bytes");
  const std::size_t index = size_class(size);
  if (keeps_by_thread_ && index < kSmallClasses) {
    if (Local* local = Local::of_thread(*this)) {
      if (void* block = local->take(index)) return static_cast<std::byte*>(block);
    }
  }
  const std::size_t bytes = class_bytes(index);
  const std::lock_guard lock(pool_->mutex);
  void* data = pool_->take(index);
  if (data == nullptr) {
    pool_->make_room(bytes);
    data = allocate_block(bytes, kStorageAlignment);
  }
  if (data == nullptr) {
    pool_->trim();
    data = allocate_block(bytes, kStorageAlignment);
  }
  require(data != nullptr, ErrorCode::kLimit, "storage", "cannot allocate ", size, " bytes");
  pool_->used_bytes += bytes;
  pool_->peak.see(bytes, pool_->used_bytes);
  return static_cast<std::byte*>(data);
}

void CachingAllocator::deallocate(std::byte* data, std::size_t size) noexcept {
  const std::size_t index = size_class(size);
  if (keeps_by_thread_ && index < kSmallClasses) {
    Local* local = Local::of_thread(*this);
    if (local != nullptr && local->keep(data, index)) return;
  }
  give_back(data, index);
}

void CachingAllocator::give_back(void* data, std::size_t index) noexcept {
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
  static auto* const instance = new CachingAllocator(true);  // never destroyed: storages may outlive main
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
