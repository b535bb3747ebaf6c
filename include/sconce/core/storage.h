// Memory that arrays share. Two arrays alias exactly when their storages are the same.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "sconce/base/recycled.h"
#include "sconce/base/ref.h"

namespace sconce {

// Supplies memory for storages. Implementations must be usable from several threads.
class Allocator {
 public:
  virtual ~Allocator() = default;
  // At least `size` bytes aligned to kStorageAlignment; Error kLimit when there is no memory.
  virtual std::byte* allocate(std::size_t size) = 0;
  virtual void deallocate(std::byte* data, std::size_t size) noexcept = 0;
};

inline constexpr std::size_t kStorageAlignment = 64;

// The allocator of storages that name none. set_default_allocator returns the previous one; an allocator must
// outlive every storage it supplied.
Allocator& default_allocator();
Allocator& set_default_allocator(Allocator& allocator);

// Where a deferred storage gets its bytes from. Calls may come from several threads.
class StorageSource {
 public:
  using Piece = std::function<void(std::span<const std::byte>)>;
  virtual ~StorageSource() = default;
  // Fills `out`, which has the storage's size. After an Error the storage stays unread.
  virtual void read(std::span<std::byte> out) const = 0;
  // All bytes in order, in pieces that last for the call only. What shows at the end only (a checksum) is an
  // Error after the pieces were seen.
  virtual void stream(const Piece& piece) const = 0;
};

// A handle to a block of bytes with an identity. Copies refer to the same block.
class Storage {
 public:
  Storage() = default;  // no block
  // `size` bytes, uninitialised.
  static Storage allocate(std::size_t size) { return allocate(size, default_allocator()); }
  static Storage allocate(std::size_t size, Allocator& allocator);
  // Bytes owned by someone else; `owner` is kept until the last handle goes.
  static Storage wrap(std::span<std::byte> bytes, std::shared_ptr<const void> owner);

  // `size` bytes that `source` supplies when someone first looks at them; its Errors come from data() then.
  static Storage deferred(std::size_t size, std::shared_ptr<const StorageSource> source);

  explicit operator bool() const { return static_cast<bool>(block_); }
  std::size_t size() const { return block_ ? block_->size : 0; }
  const std::byte* data() const { return block_ ? block_->bytes() : nullptr; }
  // Mutable bytes; counts as a write, which version() shows. Ask again for every write: what was computed
  // from the bytes in between (attachment()) would not know of it.
  std::byte* mutable_data() {
    bump_version();
    return block_ ? block_->bytes() : nullptr;
  }
  // False for a deferred storage that nobody has looked at.
  bool is_loaded() const { return !block_ || block_->data.load(std::memory_order_acquire) != nullptr; }
  // All bytes in order; those of an unread deferred storage pass by without being kept.
  void stream(const StorageSource::Piece& piece) const;
  // Forgets the bytes of a deferred storage that was not written to: the next look reads them again. For
  // whoever knows that no pointer into it is in use.
  void release() const;
  // How often the block was opened for writing: autograd finds in-place writes with it.
  std::uint32_t version() const { return block_ ? block_->version.load(std::memory_order_relaxed) : 0; }
  // Writers of one block take turns, as their bytes ask for anyway: so this needs no locked instruction.
  void bump_version() {
    if (block_) block_->version.store(version() + 1, std::memory_order_relaxed);
  }
  // What `who` computed from the bytes and left here by attach(), as long as nothing was written since; null
  // otherwise. There is one place: the last one who attaches has it. Threads may meet here.
  std::shared_ptr<const void> attachment(const void* who) const;
  // `version` is that of the bytes that `what` was computed from.
  void attach(const void* who, std::shared_ptr<const void> what, std::uint32_t version) const;
  // The identity: equal for handles of one block, distinct among live blocks.
  const void* id() const { return block_.get(); }
  std::uint32_t use_count() const { return block_ ? block_->use_count() : 0; }
  // This is the only handle, and the bytes are the block's own: whoever holds it may use them for something
  // else.
  bool is_ours_alone() const { return use_count() == 1 && block_->allocator != nullptr && !block_->pending; }
  friend bool operator==(const Storage& a, const Storage& b) = default;

 private:
  struct Pending;
  struct Block : RefCounted, Recycled<Block> {
    Block();
    ~Block();
    std::byte* bytes() {
      std::byte* first = data.load(std::memory_order_acquire);
      return first != nullptr || !pending ? first : load();
    }
    std::byte* load();
    std::atomic<std::byte*> data{nullptr};
    std::size_t size = 0;
    std::atomic<std::uint32_t> version{0};
    Allocator* allocator = nullptr;  // null: the bytes belong to `owner`
    std::shared_ptr<const void> owner;
    std::unique_ptr<Pending> pending;  // of a deferred storage
    const void* attached_by = nullptr;
    std::uint32_t attached_version = 0;
    std::shared_ptr<const void> attached;
  };
  explicit Storage(Ref<Block> block) : block_(std::move(block)) {}
  Ref<Block> block_;
};

}  // namespace sconce
