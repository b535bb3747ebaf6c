#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "kernels/size_class.h"
#include "sconce/kernels/memory.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

using kernels::CachingAllocator;
using kernels::class_bytes;
using kernels::size_class;
using test::code_of;

TEST(SizeClass, IsTheSmallestThatHolds) {
  EXPECT_EQ(size_class(0), 0U);
  for (std::size_t index = 0; index + 1 < kernels::kClasses; ++index) {
    const std::size_t bytes = class_bytes(index);
    EXPECT_EQ(size_class(bytes), index);
    EXPECT_EQ(size_class(bytes + 1), index + 1);
    EXPECT_LT(bytes, class_bytes(index + 1));
  }
  EXPECT_EQ(class_bytes(kernels::kClasses - 1), kernels::kLargestClass);
}

TEST(CachingAllocator, HandsOutWhatItGotBack) {
  CachingAllocator allocator;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{1000}, std::size_t{5} << 20}) {
    std::byte* first = allocator.allocate(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % kStorageAlignment, 0U);
    std::memset(first, 1, size);
    std::byte* second = allocator.allocate(size);
    EXPECT_NE(first, second);
    allocator.deallocate(first, size);
    EXPECT_EQ(allocator.allocate(size), first);
    allocator.deallocate(first, size);
    allocator.deallocate(second, size);
  }
  EXPECT_EQ(allocator.used_bytes(), 0U);
  EXPECT_GT(allocator.kept_bytes(), 0U);
  allocator.trim();
  EXPECT_EQ(allocator.kept_bytes(), 0U);
}

TEST(CachingAllocator, DoesNotPileUpSizesThatNobodyAsksForAgain) {
  CachingAllocator allocator;
  for (std::size_t megabytes = 1; megabytes < 200; ++megabytes) {
    allocator.deallocate(allocator.allocate(megabytes << 20), megabytes << 20);
    EXPECT_LE(allocator.kept_bytes(), std::size_t{600} << 20);
  }
}

// A training step fills memory and empties it again, with several sizes.
TEST(CachingAllocator, RepeatedStepsTakeNoFreshBlocks) {
  CachingAllocator allocator;
  const auto step = [&] {
    std::vector<std::pair<std::byte*, std::size_t>> held;
    const auto take = [&](std::size_t size) { held.emplace_back(allocator.allocate(size), size); };
    for (std::size_t i = 1; i <= 20; ++i) take(i << 20);
    for (std::size_t i = 0; i < 10; ++i) {
      allocator.deallocate(held.back().first, held.back().second);
      held.pop_back();
      const std::size_t scratch = (30 - i) << 20;
      allocator.deallocate(allocator.allocate(scratch), scratch);
    }
    for (const auto& [data, size] : held) allocator.deallocate(data, size);
  };
  step();
  step();
  const std::size_t kept = allocator.kept_bytes();
  for (int i = 0; i < 20; ++i) {
    step();
    EXPECT_EQ(allocator.kept_bytes(), kept);
  }
  EXPECT_LE(kept, std::size_t{700} << 20);
}

TEST(CachingAllocator, ForgetsAPeak) {
  CachingAllocator allocator;
  std::vector<std::byte*> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(allocator.allocate(std::size_t{10} << 20));
  for (std::byte* block : blocks) allocator.deallocate(block, std::size_t{10} << 20);
  EXPECT_GE(allocator.kept_bytes(), std::size_t{400} << 20);
  // Of many small steps, one needs a block that is not there.
  const auto small = [&](std::size_t size) { allocator.deallocate(allocator.allocate(size), size); };
  for (int i = 0; i < 4000; ++i) small(std::size_t{10} << 20);
  EXPECT_GE(allocator.kept_bytes(), std::size_t{400} << 20);
  small(std::size_t{3} << 20);
  EXPECT_LE(allocator.kept_bytes(), std::size_t{70} << 20);
}

TEST(CachingAllocator, RefusesWhatNoMachineHas) {
  CachingAllocator allocator;
  for (const std::size_t size : {std::numeric_limits<std::size_t>::max(), std::size_t{1} << 50}) {
    EXPECT_EQ(code_of([&] { allocator.allocate(size); }), ErrorCode::kLimit);
  }
  EXPECT_EQ(allocator.used_bytes(), 0U);
}

TEST(CachingAllocatorThreads, AreServedAtOnce) {
  CachingAllocator allocator;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const auto size = static_cast<std::size_t>(i * 37 % 5000 + t);
        std::byte* data = allocator.allocate(size);
        std::memset(data, t, size);
        for (std::size_t k = 0; k < size; ++k) ASSERT_EQ(data[k], static_cast<std::byte>(t));
        allocator.deallocate(data, size);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allocator.used_bytes(), 0U);
}

TEST(CachingAllocatorThreads, GiveBackWhatTheyKeptForThemselves) {
  CachingAllocator& allocator = kernels::caching_allocator();
  const std::size_t before = allocator.used_bytes();
  std::thread([&] {
    std::vector<std::byte*> blocks;
    for (int i = 0; i < 100; ++i) blocks.push_back(allocator.allocate(100));
    for (std::byte* block : blocks) allocator.deallocate(block, 100);
    EXPECT_GT(allocator.used_bytes(), before);
    std::byte* again = allocator.allocate(100);
    EXPECT_NE(std::find(blocks.begin(), blocks.end(), again), blocks.end());
    allocator.deallocate(again, 100);
  }).join();
  EXPECT_EQ(allocator.used_bytes(), before);
}

}  // namespace
}  // namespace sconce
