#include "sconce/base/checked.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "base/error_matcher.h"

namespace sconce {
namespace {

constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
constexpr auto kMaxU = std::numeric_limits<std::uint64_t>::max();

TEST(Checked, Add) {
  EXPECT_EQ(checked_add(kMax - 1, std::int64_t{1}, "t"), kMax);
  EXPECT_EQ(checked_add(kMaxU - 1, std::uint64_t{1}, "t"), kMaxU);
  EXPECT_ERROR(checked_add(kMax, std::int64_t{1}, "t"), ErrorCode::kOverflow);
  EXPECT_ERROR(checked_add(kMin, std::int64_t{-1}, "t"), ErrorCode::kOverflow);
  EXPECT_ERROR(checked_add(kMaxU, std::uint64_t{1}, "t"), ErrorCode::kOverflow);
}

TEST(Checked, Sub) {
  EXPECT_EQ(checked_sub(kMin + 1, std::int64_t{1}, "t"), kMin);
  EXPECT_ERROR(checked_sub(kMin, std::int64_t{1}, "t"), ErrorCode::kOverflow);
  EXPECT_ERROR(checked_sub(std::uint64_t{0}, std::uint64_t{1}, "t"), ErrorCode::kOverflow);
}

TEST(Checked, Mul) {
  EXPECT_EQ(checked_mul(std::int64_t{1} << 31, std::int64_t{1} << 31, "t"), std::int64_t{1} << 62);
  EXPECT_EQ(checked_mul(kMax, std::int64_t{0}, "t"), 0);
  EXPECT_ERROR(checked_mul(std::int64_t{1} << 32, std::int64_t{1} << 31, "t"), ErrorCode::kOverflow);
  EXPECT_ERROR(checked_mul(kMin, std::int64_t{-1}, "t"), ErrorCode::kOverflow);
  EXPECT_ERROR(checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 32, "t"), ErrorCode::kOverflow);
}

TEST(Checked, Cast) {
  EXPECT_EQ((checked_cast<std::int32_t>(std::int64_t{-5}, "t")), -5);
  EXPECT_EQ((checked_cast<std::uint8_t>(255, "t")), 255);
  EXPECT_ERROR((checked_cast<std::uint8_t>(256, "t")), ErrorCode::kOverflow);
  EXPECT_ERROR((checked_cast<std::uint64_t>(-1, "t")), ErrorCode::kOverflow);
  EXPECT_ERROR((checked_cast<std::int64_t>(kMaxU, "t")), ErrorCode::kOverflow);
}

}  // namespace
}  // namespace sconce
