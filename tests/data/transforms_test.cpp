#include "sconce/data/transforms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error_matcher.h"

namespace sconce::data {
namespace {

// A (2, 3, 4) image of the numbers 0 to 23.
Array image() {
  std::vector<std::uint8_t> values(24);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i);
  return Array::from(values, {2, 3, 4});
}

TEST(Transforms, ToFloatDividesBy255) {
  Generator generator(0);
  const Array out = to_float()(image(), generator);
  EXPECT_EQ(out.dtype(), kFloat32);
  for (std::int64_t i = 0; i < 24; ++i) {
    EXPECT_EQ(out.data<float>()[i], static_cast<float>(i) / 255.0F);
  }
  EXPECT_ERROR(to_float()(out, generator), ErrorCode::kDTypeMismatch);
}

TEST(Transforms, NormalizeSubtractsThenDivides) {
  Generator generator(0);
  const Array x = to_float()(image(), generator);
  const Array out = normalize({0.4914, 0.4822}, {0.2023, 0.1994})(x, generator);
  for (std::int64_t i = 0; i < 24; ++i) {
    const float mean = i < 12 ? 0.4914F : 0.4822F;
    const float std = i < 12 ? 0.2023F : 0.1994F;
    EXPECT_EQ(out.data<float>()[i], (x.data<float>()[i] - mean) / std);
  }
  EXPECT_ERROR(normalize({0.5}, {0.5, 0.5}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(normalize({0.5}, {0.0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(normalize({0.5}, {0.5})(x, generator), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(normalize({0.5, 0.5}, {0.5, 0.5})(image(), generator), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(normalize({0.5}, {0.5})(Array::ones({4}), generator), ErrorCode::kShapeMismatch);
}

TEST(Transforms, RandomCropShowsTheDrawnWindow) {
  const Array x = image();
  std::set<std::int64_t> corners;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Generator generator(seed);
    Generator reference(seed);
    const Array out = random_crop(3, 2)(x, generator);
    const std::int64_t top = reference.r32() % 5;
    const std::int64_t left = reference.r32() % 6;
    EXPECT_TRUE(generator.state().same_bits(reference.state()));
    ASSERT_EQ(out.shape(), (Shape{2, 3, 3}));
    for (std::int64_t c = 0; c < 2; ++c) {
      for (std::int64_t row = 0; row < 3; ++row) {
        for (std::int64_t column = 0; column < 3; ++column) {
          const std::int64_t from_row = top + row - 2;
          const std::int64_t from_column = left + column - 2;
          const bool is_inside = from_row >= 0 && from_row < 3 && from_column >= 0 && from_column < 4;
          const std::int64_t expected = is_inside ? c * 12 + from_row * 4 + from_column : 0;
          ASSERT_EQ(out.index({c, row, column}).item<std::int64_t>(), expected);
        }
      }
    }
    corners.insert(top * 6 + left);
  }
  EXPECT_GT(corners.size(), 15U);
}

TEST(Transforms, RandomCropOfTheWholeImageDrawsNothing) {
  Generator generator(0);
  const Array x = image().narrow(2, 0, 3);
  EXPECT_TRUE(random_crop(3)(x, generator).same_bits(x));
  EXPECT_TRUE(generator.state().same_bits(Generator(0).state()));
  EXPECT_ERROR(random_crop(4)(x, generator), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(random_crop(0), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(random_crop(2, -1), ErrorCode::kInvalidArgument);
}

TEST(Transforms, RandomHorizontalFlip) {
  int flipped = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Generator generator(seed);
    Generator reference(seed);
    const Array out = random_horizontal_flip()(image(), generator);
    const bool expected = reference.uniform24() < 0.5F;
    EXPECT_TRUE(generator.state().same_bits(reference.state()));
    EXPECT_EQ(out.index({std::int64_t{1}, std::int64_t{2}, std::int64_t{0}}).item<int>(), expected ? 23 : 20);
    EXPECT_EQ(out.same_bits(image()), !expected);
    flipped += expected ? 1 : 0;
  }
  EXPECT_GT(flipped, 5);
  EXPECT_LT(flipped, 35);
  EXPECT_ERROR(random_horizontal_flip(1.5), ErrorCode::kInvalidArgument);
}

TEST(Transforms, ComposeGoesFromLeftToRight) {
  Generator generator(0);
  const Array out = compose({random_horizontal_flip(1.0), to_float()})(image(), generator);
  EXPECT_EQ(out.data<float>()[0], 3.0F / 255.0F);
  EXPECT_TRUE(compose({})(image(), generator).same_bits(image()));
}

}  // namespace
}  // namespace sconce::data
