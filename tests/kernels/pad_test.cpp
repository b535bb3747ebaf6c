#include "sconce/kernels/pad.h"

#include <gtest/gtest.h>

#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::code_of;
using test::PoisonScope;
using test::Random;

using Pads = std::vector<std::int64_t>;
constexpr PadMode kAllModes[] = {PadMode::kConstant, PadMode::kReflect, PadMode::kReplicate,
                                 PadMode::kCircular};

std::vector<float> padded(const Pads& pads, PadMode mode) {
  return kernels::pad(Array::from<float>({1, 2, 3}, {3}), pads, mode, 9).to_vector<float>();
}

TEST(Pad, Modes) {
  const PoisonScope poison;
  EXPECT_EQ(padded({2, 1}, PadMode::kConstant), (std::vector<float>{9, 9, 1, 2, 3, 9}));
  EXPECT_EQ(padded({2, 1}, PadMode::kReflect), (std::vector<float>{3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(padded({2, 1}, PadMode::kReplicate), (std::vector<float>{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(padded({2, 1}, PadMode::kCircular), (std::vector<float>{2, 3, 1, 2, 3, 1}));
}

TEST(Pad, NegativePadsCrop) {
  EXPECT_EQ(padded({-1, 2}, PadMode::kConstant), (std::vector<float>{2, 3, 9, 9}));
  EXPECT_EQ(padded({-1, 1}, PadMode::kReflect), (std::vector<float>{2, 3, 2}));
  EXPECT_EQ(padded({-1, 1}, PadMode::kReplicate), (std::vector<float>{2, 3, 3}));
  EXPECT_EQ(padded({-1, 1}, PadMode::kCircular), (std::vector<float>{2, 3, 1}));
  EXPECT_EQ(padded({2, -3}, PadMode::kConstant), (std::vector<float>{9, 9}));
  EXPECT_EQ(padded({-3, 0}, PadMode::kConstant), (std::vector<float>{}));
}

TEST(Pad, CountsDimensionsFromTheLast) {
  const Array out =
      kernels::pad(Array::from<std::int64_t>({1, 2, 3, 4}, {2, 2}), Pads{1, 0, 0, 1}, PadMode::kConstant, 7);
  EXPECT_EQ(out.shape(), (Shape{3, 3}));
  EXPECT_EQ(out.to_vector<std::int64_t>(), (std::vector<std::int64_t>{7, 1, 2, 7, 3, 4, 7, 7, 7}));
}

TEST(Pad, BackwardIsTheTranspose) {
  const PoisonScope poison;
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    const PadMode mode = kAllModes[random.integer(0, 3)];
    const Shape shape{random.integer(1, 3), random.integer(4, 6), random.integer(4, 6)};
    Pads pads;
    for (int k = 0; k < 4; ++k) pads.push_back(random.integer(-1, 3));
    const Array x = random.normal(shape, kFloat64);
    const Array y = kernels::pad(random.scattered(x), pads, mode, 0);
    ASSERT_EQ(y.shape(), kernels::padded_shape(shape, pads, mode));
    const Array grad = random.normal(y.shape(), kFloat64);
    const Array back = kernels::pad_backward(random.scattered(grad), shape, pads, mode);
    double left = 0;
    double right = 0;
    for (std::int64_t k = 0; k < y.numel(); ++k) left += y.data<double>()[k] * grad.data<double>()[k];
    for (std::int64_t k = 0; k < x.numel(); ++k) right += x.data<double>()[k] * back.data<double>()[k];
    EXPECT_NEAR(left, right, 1e-11);
  }
}

TEST(Pad, WithoutPadsMakesACopy) {
  const Array x = Array::ones({2, 3});
  for (const PadMode mode : kAllModes) {
    const Array y = kernels::pad(x, Pads{}, mode, 0);
    EXPECT_TRUE(y.same_bits(x));
    EXPECT_NE(y.storage(), x.storage());
  }
}

TEST(Pad, Rejects) {
  const Array x = Array::ones({2, 3});
  const auto run = [](const Array& array, const Pads& pads, PadMode mode) {
    return code_of([&] { kernels::pad(array, pads, mode, 0); });
  };
  EXPECT_EQ(run(x, {1}, PadMode::kConstant), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(x, {1, 1, 1, 1, 1, 1}, PadMode::kConstant), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x, {-2, -2}, PadMode::kConstant), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x, {-4, 5}, PadMode::kConstant), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x, {3, 0}, PadMode::kReflect), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x, {0, 4}, PadMode::kCircular), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(Array::ones({2, 0}), {1, 1}, PadMode::kReplicate), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x, {-3, 0}, PadMode::kReplicate), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x.cast(kInt64), {1, 1}, PadMode::kReflect), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(run(x, {std::numeric_limits<std::int64_t>::max(), 1}, PadMode::kConstant), ErrorCode::kOverflow);
  EXPECT_EQ(code_of([&] {
              kernels::pad_backward(x, {2, 3}, Pads{1, 1}, PadMode::kReflect);
            }),
            ErrorCode::kShapeMismatch);
}

}  // namespace
}  // namespace sconce
