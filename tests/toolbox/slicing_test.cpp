#include "sconce/toolbox/slicing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error_matcher.h"

namespace sconce::toolbox {
namespace {

using ::testing::ElementsAre;

Array counting(const Shape& shape) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(shape.numel()));
  std::iota(values.begin(), values.end(), 0);
  return Array::from(values, shape);
}
std::vector<std::int64_t> taken(const Array& array, std::string_view slice) {
  return apply_slice(array, parse_slice(slice)).to_vector<std::int64_t>();
}
std::vector<std::int64_t> shape_of(const Array& array, std::string_view slice) {
  return apply_slice(array, parse_slice(slice)).shape().to_vector();
}

// Expected values are numpy's.
TEST(Slicing, AsNumpy) {
  const Array line = counting({6});
  EXPECT_THAT(taken(line, "[2]"), ElementsAre(2));
  EXPECT_THAT(taken(line, "[-1]"), ElementsAre(5));
  EXPECT_THAT(taken(line, "[1:3]"), ElementsAre(1, 2));
  EXPECT_THAT(taken(line, "[ -3 : ]"), ElementsAre(3, 4, 5));
  EXPECT_THAT(taken(line, "[::2]"), ElementsAre(0, 2, 4));
  EXPECT_THAT(taken(line, "[1::2]"), ElementsAre(1, 3, 5));
  EXPECT_THAT(taken(line, "[::-1]"), ElementsAre(5, 4, 3, 2, 1, 0));
  EXPECT_THAT(taken(line, "[4:1:-2]"), ElementsAre(4, 2));
  EXPECT_THAT(taken(line, "[-2::-3]"), ElementsAre(4, 1));
  EXPECT_THAT(taken(line, "[99:-99:-1]"), ElementsAre(5, 4, 3, 2, 1, 0));
  EXPECT_THAT(taken(line, "[:2:-1]"), ElementsAre(5, 4, 3));
  EXPECT_THAT(taken(line, "[2:99]"), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(taken(line, "[3:1]"), ElementsAre());
  EXPECT_THAT(taken(line, "[1:3:-1]"), ElementsAre());
  EXPECT_THAT(shape_of(counting({2, 3, 4}), "[0]"), ElementsAre(3, 4));
  EXPECT_THAT(taken(counting({2, 3, 4}), "[0, :, 1:3]"), ElementsAre(1, 2, 5, 6, 9, 10));
  EXPECT_THAT(taken(counting({2, 3, 4}), "[..., -1]"), ElementsAre(3, 7, 11, 15, 19, 23));
  EXPECT_THAT(taken(counting({2, 3, 4}), "[1, ..., ::-1, 0]"), ElementsAre(20, 16, 12));
  EXPECT_THAT(shape_of(counting({2, 3, 4}), "[...]"), ElementsAre(2, 3, 4));
  EXPECT_THAT(shape_of(counting({2, 0}), "[:, ::-1]"), ElementsAre(2, 0));
  EXPECT_THAT(taken(counting({}), "[...]"), ElementsAre(0));
}

TEST(Slicing, RefusesWhatNumpyRefuses) {
  for (const char* text : {"", "[", "[]", "[1", "[1 2]", "[a]", "[1.5]", "[::0]", "[1]x", "[,]", "[:::]",
                           "[99999999999999999999]", "[::-9223372036854775808]"}) {
    EXPECT_ERROR(parse_slice(text), ErrorCode::kInvalidArgument);
  }
  for (const char* text : {"[None]", "[True]", "[[1, 2]]"}) {
    EXPECT_ERROR(parse_slice(text), ErrorCode::kUnsupported);
  }
  EXPECT_ERROR(taken(counting({3}), "[3]"), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(taken(counting({3}), "[-4]"), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(taken(counting({3}), "[0, 0]"), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(taken(counting({}), "[0]"), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(taken(counting({3}), "[..., ...]"), ErrorCode::kInvalidArgument);
}

TEST(Slicing, FindsTheBracket) {
  EXPECT_EQ(slice_begin("w[0]"), 1U);
  EXPECT_EQ(slice_begin("a[b].w[0]"), 6U);
  EXPECT_EQ(slice_begin("w"), std::string_view::npos);
  EXPECT_EQ(slice_begin("w[0"), std::string_view::npos);
}

}  // namespace
}  // namespace sconce::toolbox
