#include "sconce/core/shape.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "base/error_matcher.h"

namespace sconce {
namespace {

constexpr std::int64_t kHugeDim = std::int64_t{1} << 40;

TEST(Dims, GrowsPastItsInlineRoom) {
  Dims dims;
  for (std::int64_t i = 0; i < 20; ++i) dims.push_back(i);
  EXPECT_EQ(dims.size(), 20U);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(dims[i], static_cast<std::int64_t>(i));
  const Dims copy = dims;
  Dims moved = std::move(dims);
  EXPECT_EQ(copy, moved);
  moved.insert(0, 7);
  moved.erase(1);
  EXPECT_EQ(moved.front(), 7);
  EXPECT_EQ(moved.back(), 19);
  EXPECT_EQ(moved.size(), 20U);
  EXPECT_NE(copy, moved);
  moved = copy;
  EXPECT_EQ(copy, moved);
  EXPECT_EQ(Dims(3, 5), (Dims{5, 5, 5}));
}

TEST(Shape, Numel) {
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ((Shape{2, 3, 4}).numel(), 24);
  EXPECT_EQ((Shape{2, 0, 4}).numel(), 0);
  EXPECT_ERROR((Shape{kHugeDim, kHugeDim}.numel()), ErrorCode::kOverflow);
  try {
    (void)Shape{kHugeDim, kHugeDim}.numel();
    ADD_FAILURE() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.text(),
              "a tensor of shape (1099511627776, 1099511627776) has more elements than 64 bits count");
  }
}

TEST(Shape, Text) {
  EXPECT_EQ((Shape{6, 3, 5}).str(), "(6, 3, 5)");
  EXPECT_EQ(Shape{6}.str(), "(6,)");
  EXPECT_EQ(Shape{}.str(), "()");
  std::ostringstream out;
  out << Shape{2, 3};
  EXPECT_EQ(out.str(), "torch.Size([2, 3])");
}

TEST(Shape, NormalizeDim) {
  EXPECT_EQ(normalize_dim(-1, 3, "test"), 2U);
  EXPECT_EQ(normalize_dim(0, 3, "test"), 0U);
  EXPECT_EQ(normalize_dim(-1, 0, "test"), 0U);  // a scalar counts as one dimension
  EXPECT_ERROR(normalize_dim(3, 3, "test"), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(normalize_dim(-4, 3, "test"), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(normalize_dim(1, 0, "test"), ErrorCode::kIndexOutOfRange);
}

TEST(Shape, ContiguousStrides) {
  EXPECT_EQ(contiguous_strides({2, 3, 4}), (Strides{12, 4, 1}));
  EXPECT_EQ(contiguous_strides({2, 0, 4}), (Strides{4, 4, 1}));
  EXPECT_EQ(contiguous_strides({}), Strides{});
  EXPECT_ERROR(contiguous_strides({kHugeDim, kHugeDim, 2}), ErrorCode::kOverflow);
}

TEST(Shape, Broadcast) {
  EXPECT_EQ(broadcast_shapes({2, 1, 4}, {3, 1}, "test"), (Shape{2, 3, 4}));
  EXPECT_EQ(broadcast_shapes({}, {3}, "test"), Shape{3});
  EXPECT_EQ(broadcast_shapes({0}, {1}, "test"), Shape{0});
  EXPECT_ERROR(broadcast_shapes({2}, {3}, "test"), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(broadcast_shapes({0}, {2}, "test"), ErrorCode::kShapeMismatch);
}

}  // namespace
}  // namespace sconce
