#include "sconce/base/huge_pages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <numeric>
#include <vector>

#include "sconce/base/sanitized.h"

namespace sconce {
namespace {

TEST(HugePages, BlocksAreAlignedAsAsked) {
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{4096}, kHugePage - 1, kHugePage, 3 * kHugePage + 5}) {
    for (const std::size_t alignment : {std::size_t{8}, std::size_t{64}, std::size_t{4096}}) {
      auto* const data = static_cast<std::byte*>(allocate_block(bytes, alignment));
      ASSERT_NE(data, nullptr);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % (bytes >= kHugePage ? kHugePage : alignment), 0U);
      data[0] = data[bytes - 1] = std::byte{1};
      free_block(data, bytes, alignment);
    }
  }
}

TEST(HugePages, WithoutMemoryThereIsNoBlock) {
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  for (const std::size_t bytes : {kMost, kMost - kHugePage, kMost - 3 * kHugePage, kMost / 2})
    EXPECT_EQ(allocate_block(bytes, 64), nullptr) << bytes;
}

std::size_t resident_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(HugePages, WhatIsFreedGoesBackWhateverIsKeptBesideIt) {
  if (kIsSanitized) GTEST_SKIP() << "a sanitizer keeps what is freed";
  constexpr std::size_t kBytes = 3 * kHugePage;
  std::vector<void*> kept;
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 64; ++i) {
    void* const data = allocate_block(kBytes, 64);
    ASSERT_NE(data, nullptr);
    std::memset(data, 1, kBytes);
    kept.push_back(allocate_block(kHugePage, 64));
    ASSERT_NE(kept.back(), nullptr);
    static_cast<std::byte*>(kept.back())[0] = std::byte{1};
    free_block(data, kBytes, 64);
  }
  EXPECT_LT(resident_bytes(), before + 65 * kHugePage + kBytes);
  for (void* const data : kept) free_block(data, kHugePage, 64);
  EXPECT_LT(resident_bytes(), before + kHugePage);
}

TEST(HugePages, APageThatIsMoreThanHalfTakenIsTakenWhole) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, kHugePage / 2, kHugePage, 3 * kHugePage + 5,
                                  std::numeric_limits<std::size_t>::max()}) {
    EXPECT_EQ(to_huge_page(bytes), bytes);
  }
  EXPECT_EQ(to_huge_page(kHugePage / 2 + 1), kHugePage);
  EXPECT_EQ(to_huge_page(3 * kHugePage - 1), 3 * kHugePage);
}

TEST(HugePages, VectorsGrowAcrossTheSizeOfAPage) {
  std::vector<std::uint64_t, BlockAllocator<std::uint64_t>> numbers;
  for (std::uint64_t i = 0; i < 700'000; ++i) numbers.push_back(i);
  EXPECT_EQ(std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0}), 700'000ULL * 699'999 / 2);
  numbers.resize(10);
  numbers.shrink_to_fit();
  EXPECT_EQ(numbers[9], 9U);
  EXPECT_THROW(BlockAllocator<std::uint64_t>().allocate(std::numeric_limits<std::size_t>::max() / 4),
               std::bad_alloc);
}

}  // namespace
}  // namespace sconce
