// Memory that arrays share. Two arrays alias exactly when their storages are the same.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

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

// A handle to a block of bytes with an identity. Copies refer to the same block.
class Storage {
 public:
  Storage() = default;  // no block
  // `size` bytes, uninitialised.
  static Storage allocate(std::size_t size) { return allocate(size, default_allocator()); }
  static Storage allocate(std::size_t size, Allocator& allocator);
  // Bytes owned by someone else; `owner` is kept until the last handle goes.
  static Storage wrap(std::span<std::byte> bytes, std::shared_ptr<const void> owner);

  explicit operator bool() const { return static_cast<bool>(block_); }
  std::size_t size() const { return block_ ? block_->size : 0; }
  const std::byte* data() const { return block_ ? block_->data : nullptr; }
  // Mutable bytes; counts as a write, which version() shows.
  std::byte* mutable_data() {
    bump_version();
    return block_ ? block_->data : nullptr;
  }
  // How often the block was opened for writing: autograd finds in-place writes with it.
  std::uint32_t version() const { return block_ ? block_->version.load(std::memory_order_relaxed) : 0; }
  void bump_version() {
    if (block_) block_->version.fetch_add(1, std::memory_order_relaxed);
  }
  // The identity: equal for handles of one block, distinct among live blocks.
  const void* id() const { return block_.get(); }
  std::uint32_t use_count() const { return block_ ? block_->use_count() : 0; }
  friend bool operator==(const Storage& a, const Storage& b) = default;

 private:
  struct Block : RefCounted {
    ~Block();
    std::byte* data = nullptr;
    std::size_t size = 0;
    std::atomic<std::uint32_t> version{0};
    Allocator* allocator = nullptr;  // null: the bytes belong to `owner`
    std::shared_ptr<const void> owner;
  };
  explicit Storage(Ref<Block> block) : block_(std::move(block)) {}
  Ref<Block> block_;
};

}  // namespace sconce
