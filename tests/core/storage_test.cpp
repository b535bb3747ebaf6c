#include "sconce/core/storage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "base/error_matcher.h"
#include "sconce/base/error.h"

namespace sconce {
namespace {

// Counts what goes in and out.
class CountingAllocator final : public Allocator {
 public:
  std::byte* allocate(std::size_t size) override {
    ++allocations;
    live += size;
    return static_cast<std::byte*>(::operator new (size, std::align_val_t{kStorageAlignment}));
  }
  void deallocate(std::byte* data, std::size_t size) noexcept override {
    live -= size;
    ::operator delete (data, std::align_val_t{kStorageAlignment});
  }
  int allocations = 0;
  std::size_t live = 0;
};

TEST(Storage, HandlesOfOneBlockAreEqual) {
  const Storage a = Storage::allocate(16);
  const Storage b = a;
  const Storage c = Storage::allocate(16);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.id(), b.id());
  EXPECT_NE(a.id(), c.id());
  EXPECT_EQ(a.use_count(), 2U);
  EXPECT_EQ(a.data(), b.data());
}

TEST(Storage, NoBlock) {
  Storage none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.size(), 0U);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(none.mutable_data(), nullptr);
  EXPECT_EQ(none.version(), 0U);
}

TEST(Storage, MutableAccessCountsAsAWrite) {
  Storage a = Storage::allocate(4);
  const Storage b = a;
  const std::uint32_t before = b.version();
  EXPECT_NE(b.data(), nullptr);
  EXPECT_EQ(b.version(), before);
  a.mutable_data()[0] = std::byte{1};
  EXPECT_EQ(b.version(), before + 1);
}

TEST(Storage, AnAttachmentLivesUntilTheNextWrite) {
  static constexpr char kMe = 0;
  static constexpr char kOther = 0;
  Storage storage = Storage::allocate(4);
  EXPECT_EQ(storage.attachment(&kMe), nullptr);
  EXPECT_EQ(Storage().attachment(&kMe), nullptr);
  const auto what = std::make_shared<const int>(5);
  storage.attach(&kMe, what, storage.version());
  EXPECT_EQ(storage.attachment(&kMe), what);
  EXPECT_EQ(Storage(storage).attachment(&kMe), what);
  EXPECT_EQ(storage.attachment(&kOther), nullptr);
  storage.mutable_data();
  EXPECT_EQ(storage.attachment(&kMe), nullptr);
  // What was computed from bytes that were written to meanwhile is out of date at once.
  const std::uint32_t before = storage.version();
  storage.mutable_data();
  storage.attach(&kMe, what, before);
  EXPECT_EQ(storage.attachment(&kMe), nullptr);
  storage.attach(&kMe, what, storage.version());
  storage = Storage();
  EXPECT_EQ(what.use_count(), 1);
}

TEST(Storage, MemoryIsAligned) {
  for (const std::size_t size : {0U, 1U, 63U, 100U}) {
    const Storage storage = Storage::allocate(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(storage.data()) % kStorageAlignment, 0U);
    EXPECT_EQ(storage.size(), size);
  }
}

TEST(Storage, MemoryGoesBackToItsAllocator) {
  CountingAllocator counting;
  {
    const Storage a = Storage::allocate(100, counting);
    const Storage b = a;
    EXPECT_EQ(counting.live, 100U);
  }
  EXPECT_EQ(counting.live, 0U);
  EXPECT_EQ(counting.allocations, 1);
}

TEST(Storage, DefaultAllocatorCanBeReplaced) {
  CountingAllocator counting;
  Allocator& previous = set_default_allocator(counting);
  Storage kept = Storage::allocate(8);
  EXPECT_EQ(&default_allocator(), &counting);
  EXPECT_EQ(&set_default_allocator(previous), &counting);
  EXPECT_EQ(counting.live, 8U);
  kept = Storage();  // goes back where it came from, whatever the default is now
  EXPECT_EQ(counting.live, 0U);
}

TEST(Storage, TooMuchMemoryIsAnError) {
  EXPECT_ERROR(Storage::allocate(std::numeric_limits<std::size_t>::max() / 2), ErrorCode::kLimit);
}

TEST(Storage, WrapKeepsTheOwner) {
  auto owner = std::make_shared<std::array<std::byte, 8>>();
  const std::weak_ptr<std::array<std::byte, 8>> watch = owner;
  Storage storage = Storage::wrap(*owner, owner);
  EXPECT_EQ(storage.data(), owner->data());
  owner.reset();
  EXPECT_FALSE(watch.expired());
  storage.mutable_data()[7] = std::byte{9};
  storage = Storage();
  EXPECT_TRUE(watch.expired());
}

// Counts how often it is asked, and fails while it is told to.
class CountingSource : public StorageSource {
 public:
  void read(std::span<std::byte> out) const override {
    require(!fails, ErrorCode::kChecksum, "test", "told to fail");
    ++reads;
    std::fill(out.begin(), out.end(), std::byte{7});
  }
  void stream(const Piece& piece) const override {
    require(!fails, ErrorCode::kChecksum, "test", "told to fail");
    ++streams;
    for (int i = 0; i < 4; ++i) piece(std::array<std::byte, 2>{std::byte{7}, std::byte{7}});
  }
  bool fails = false;
  mutable std::atomic<int> reads{0};
  mutable std::atomic<int> streams{0};
};

TEST(Storage, DeferredBytesAreReadWhenSomeoneLooks) {
  const auto source = std::make_shared<CountingSource>();
  const Storage storage = Storage::deferred(8, source);
  EXPECT_EQ(storage.size(), 8U);
  EXPECT_FALSE(storage.is_loaded());
  EXPECT_EQ(source->reads, 0);
  EXPECT_EQ(storage.data()[7], std::byte{7});
  EXPECT_EQ(storage.data()[0], std::byte{7});
  EXPECT_TRUE(storage.is_loaded());
  EXPECT_EQ(source->reads, 1);
}

TEST(Storage, ADeferredReadThatFailsLeavesItUnread) {
  const auto source = std::make_shared<CountingSource>();
  const Storage storage = Storage::deferred(8, source);
  source->fails = true;
  EXPECT_ERROR(storage.data(), ErrorCode::kChecksum);
  EXPECT_FALSE(storage.is_loaded());
  source->fails = false;
  EXPECT_EQ(storage.data()[0], std::byte{7});
}

TEST(Storage, StreamingKeepsNothing) {
  const auto source = std::make_shared<CountingSource>();
  Storage storage = Storage::deferred(8, source);
  std::size_t seen = 0;
  const auto count = [&seen](std::span<const std::byte> piece) { seen += piece.size(); };
  storage.stream(count);
  EXPECT_EQ(seen, 8U);
  EXPECT_FALSE(storage.is_loaded());
  EXPECT_EQ(source->streams, 1);
  storage.mutable_data()[0] = std::byte{1};
  storage.stream([&](std::span<const std::byte> piece) { EXPECT_EQ(piece[0], std::byte{1}); });
  EXPECT_EQ(source->streams, 1);  // what is in memory counts from then on
}

TEST(Storage, ReleaseForgetsWhatCanBeReadAgain) {
  const auto source = std::make_shared<CountingSource>();
  Storage storage = Storage::deferred(8, source);
  storage.data();
  storage.release();
  EXPECT_FALSE(storage.is_loaded());
  EXPECT_EQ(storage.data()[0], std::byte{7});
  EXPECT_EQ(source->reads, 2);
  storage.mutable_data()[0] = std::byte{1};
  storage.release();  // changed: there is nothing to read that from
  EXPECT_EQ(storage.data()[0], std::byte{1});
  const Storage ordinary = Storage::allocate(8);
  ordinary.release();
  EXPECT_TRUE(ordinary.is_loaded());
}

TEST(StorageThreads, OneThreadReadsForAll) {
  const auto source = std::make_shared<CountingSource>();
  const Storage storage = Storage::deferred(1 << 20, source);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { right += storage.data()[12345] == std::byte{7} ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 4);
  EXPECT_EQ(source->reads, 1);
}

}  // namespace
}  // namespace sconce
