#include "sconce/base/huge_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

namespace sconce {
namespace {

bool is_aligned(const void* data, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(data) % alignment == 0;
}

TEST(HugePages, BlocksAreAlignedAndWritable) {
  for (const std::size_t bytes : {std::size_t{1}, kHugePage - 1, kHugePage, 3 * kHugePage + 5}) {
    void* const block = allocate_block(bytes, 64);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(is_aligned(block, bytes < kHugePage ? 64 : kHugePage)) << bytes;
    std::memset(block, 1, bytes);
    free_block(block, bytes, 64);
  }
}

TEST(HugePages, NoMemoryIsNull) { EXPECT_EQ(allocate_block(std::size_t{1} << 60, 64), nullptr); }

}  // namespace
}  // namespace sconce
