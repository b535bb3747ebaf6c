#include "sconce/base/rare.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace sconce {
namespace {

TEST(Rare, ACopyIsACopyOfTheValue) {
  Rare<std::string> a("x");
  Rare<std::string> b = a;
  *b += "y";
  EXPECT_EQ(*a, "x");
  EXPECT_EQ(*b, "xy");
  a = b;
  b.emplace(3, 'z');
  EXPECT_EQ(*a, "xy");
  EXPECT_EQ(*b, "zzz");
  const Rare<std::string>& same = a;
  a = same;
  EXPECT_EQ(*a, "xy");
}

TEST(Rare, IsEmptyUntilItIsGivenAValue) {
  Rare<std::string> a;
  EXPECT_FALSE(a.has_value());
  const Rare<std::string> b = a;
  EXPECT_FALSE(b);
  a = std::string("x");
  EXPECT_EQ(a->size(), 1u);
  Rare<std::string> c = std::move(a);
  EXPECT_EQ(*c, "x");
  c.reset();
  EXPECT_FALSE(c.has_value());
  c = b;
  EXPECT_FALSE(c.has_value());
}

static_assert(sizeof(Rare<std::array<char, 1000>>) == sizeof(void*));

}  // namespace
}  // namespace sconce
