#include "sconce/base/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace sconce {
namespace {

TEST(Glob, Patterns) {
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("conv*.weight", "conv1.weight"));
  EXPECT_TRUE(glob_match("conv*.weight", "conv.a.weight.weight"));
  EXPECT_FALSE(glob_match("conv*.weight", "conv1.bias"));
  EXPECT_TRUE(glob_match("conv?.weight", "conv1.weight"));
  EXPECT_FALSE(glob_match("conv?.weight", "conv.weight"));
  EXPECT_TRUE(glob_match("layer[1-3].*", "layer2.x"));
  EXPECT_FALSE(glob_match("layer[1-3].*", "layer4.x"));
  EXPECT_TRUE(glob_match("layer[!1-3].*", "layer4.x"));
  EXPECT_TRUE(glob_match("a[]]b", "a]b"));
  EXPECT_TRUE(glob_match("a[b", "a[b"));
  EXPECT_FALSE(glob_match("a", "ab"));
  EXPECT_TRUE(glob_match("**a**", "bab"));
}

TEST(Glob, NeedsNoExponentialTime) {
  EXPECT_FALSE(glob_match(std::string(50, '*') + "b", std::string(50000, 'a')));
  EXPECT_FALSE(glob_match("a*a*a*a*a*a*a*a*a*b", std::string(2000, 'a')));
}

}  // namespace
}  // namespace sconce
