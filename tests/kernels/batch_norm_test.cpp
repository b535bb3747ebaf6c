#include "sconce/kernels/batch_norm.h"

#include <gtest/gtest.h>

#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::code_of;
using test::PoisonScope;
using test::Random;
using test::relative_difference;
using test::ThreadsScope;

constexpr double kEps = 1e-5;

// (N, C), (N, C, L) and so on, of at least 8 values a channel: of fewer, rounding is all that is left of
// some gradients.
Shape random_shape(Random& random) {
  Shape shape{random.integer(2, 9), random.integer(1, 20)};
  for (std::int64_t rank = random.integer(0, 3); rank > 0; --rank)
    shape.push_back(random.integer(1, 19 / rank));
  if (shape.numel() / shape[1] < 8) shape[0] = 8;
  return shape;
}

TEST(BatchNorm, EqualsTheReference) {
  const PoisonScope poison;
  Random random(4);
  for (int i = 0; i < 300; ++i) {
    const DType dtype = random.coin() ? kFloat32 : kFloat64;
    const double tolerance = dtype == kFloat32 ? 2e-6 : 1e-11;
    const Shape shape = random_shape(random);
    SCOPED_TRACE(cat(shape, " ", dtype));
    const ThreadsScope threads(static_cast<int>(random.integer(1, 3)));
    const Array x = random.normal(shape, dtype);
    const Array grad = random.normal(shape, dtype);
    const auto per_channel = [&] { return random.coin() ? random.normal({shape[1]}, dtype) : Array(); };
    const Array weight = per_channel();
    const Array bias = per_channel();
    const auto wide = [](const Array& a) { return a.defined() ? a.cast(kFloat64) : a; };
    const auto near = [&](const Array& found, const Array& expected) {
      EXPECT_EQ(found.dtype(), dtype);
      EXPECT_LE(relative_difference(found, expected), tolerance);
    };

    const auto found = kernels::batch_norm_statistics(random.scattered(x), kEps);
    const auto expected = kernels::reference::batch_norm_statistics(wide(x), kEps);
    near(found.mean, expected.mean);
    near(found.variance, expected.variance);
    near(found.inverse_deviation, expected.inverse_deviation);
    // From here on both sides have the same statistics, as rounded as they are.
    const Array mean = wide(found.mean);
    const Array inverse = wide(found.inverse_deviation);
    near(kernels::batch_norm_apply(random.scattered(x), found.mean, found.inverse_deviation, weight, bias),
         kernels::reference::batch_norm_apply(wide(x), mean, inverse, wide(weight), wide(bias)));
    for (const bool training : {true, false}) {
      const auto gradients = kernels::batch_norm_backward(
          random.scattered(grad), random.scattered(x), found.mean, found.inverse_deviation, weight, training);
      const auto exact =
          kernels::reference::batch_norm_backward(wide(grad), wide(x), mean, inverse, wide(weight), training);
      near(gradients.input, exact.input);
      near(gradients.weight, exact.weight);
      near(gradients.bias, exact.bias);
    }
  }
}

TEST(BatchNorm, VarianceSurvivesALargeMean) {
  std::vector<float> values;
  for (int i = 0; i < 1000; ++i) values.push_back(10000.0F + static_cast<float>(i % 2));
  const auto found = kernels::batch_norm_statistics(Array::from(values, {1000, 1}), kEps);
  EXPECT_FLOAT_EQ(found.mean.item<float>(), 10000.5F);
  EXPECT_FLOAT_EQ(found.variance.item<float>(), 0.25F);
}

TEST(BatchNorm, AppliesScaleAndShift) {
  const PoisonScope poison;
  Random random(2);
  const Array x = random.normal({3, 4, 5}, kFloat64);
  const Array mean = random.normal({4}, kFloat64);
  const Array inverse = random.normal({4}, kFloat64);
  const Array weight = random.normal({4}, kFloat64);
  const Array bias = random.normal({4}, kFloat64);
  const Array full = kernels::batch_norm_apply(random.scattered(x), mean, inverse, weight, bias);
  const Array plain = kernels::batch_norm_apply(x, mean, inverse, {}, {});
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const std::int64_t c = i / 5 % 4;
    const double normal = (x.data<double>()[i] - mean.data<double>()[c]) * inverse.data<double>()[c];
    EXPECT_NEAR(plain.data<double>()[i], normal, 1e-13);
    EXPECT_NEAR(full.data<double>()[i], normal * weight.data<double>()[c] + bias.data<double>()[c], 1e-13);
  }
}

TEST(BatchNorm, RunningStatisticsBlendTheUnbiasedVariance) {
  const auto values = [](double a, double b) { return Array::from<double>({a, b}, {2}); };
  const kernels::BatchNormStatistics batch{values(1, 2), values(4, 8), values(0, 0)};
  Array mean = values(10, 20);
  Array variance = values(1, 1);
  kernels::batch_norm_update(mean, variance, batch, 5, 0.25);
  EXPECT_DOUBLE_EQ(mean.select(0, 0).item<double>(), 0.75 * 10 + 0.25 * 1);
  EXPECT_DOUBLE_EQ(mean.select(0, 1).item<double>(), 0.75 * 20 + 0.25 * 2);
  EXPECT_DOUBLE_EQ(variance.select(0, 0).item<double>(), 0.75 + 0.25 * 5);
  EXPECT_DOUBLE_EQ(variance.select(0, 1).item<double>(), 0.75 + 0.25 * 10);
}

TEST(BatchNorm, ThreadsDoNotChangeBits) {
  Random random(3);
  const Array x = random.normal({8, 16, 20, 20});
  const Array grad = random.normal(x.shape());
  const auto run = [&] {
    const auto s = kernels::batch_norm_statistics(x, kEps);
    return kernels::batch_norm_backward(grad, x, s.mean, s.inverse_deviation, {}, true);
  };
  const ThreadsScope one(1);
  const auto expected = run();
  const ThreadsScope two(2);
  const auto found = run();
  EXPECT_TRUE(found.input.same_bits(expected.input));
  EXPECT_TRUE(found.weight.same_bits(expected.weight));
  EXPECT_TRUE(found.bias.same_bits(expected.bias));
}

TEST(BatchNorm, Rejects) {
  const Array x = Array::ones({4, 3, 2});
  const Array good = Array::ones({3});
  const Array bad = Array::ones({4});
  EXPECT_EQ(code_of([&] { kernels::batch_norm_statistics(Array::ones({3}), kEps); }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] {
              kernels::batch_norm_statistics(Array::ones({0, 3}), kEps);
            }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { kernels::batch_norm_statistics(x.cast(kInt64), kEps); }),
            ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { kernels::batch_norm_apply(x, good, good, bad, {}); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { kernels::batch_norm_apply(x, good, good.cast(kFloat64), {}, {}); }),
            ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] {
              kernels::batch_norm_backward(Array::ones({4, 3}), x, good, good, {}, true);
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { kernels::batch_norm_backward(x.cast(kFloat64), x, good, good, {}, true); }),
            ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { kernels::batch_norm_backward(x, x, bad, good, {}, true); }),
            ErrorCode::kShapeMismatch);
  const kernels::BatchNormStatistics batch{good, good, good};
  Array mean = Array::ones({3});
  Array wrong = Array::ones({4});
  EXPECT_EQ(code_of([&] { kernels::batch_norm_update(mean, wrong, batch, 5, 0.1); }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { kernels::batch_norm_update(mean, mean, batch, 1, 0.1); }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { kernels::inverse_deviation(good.cast(kInt64), kEps); }), ErrorCode::kDTypeMismatch);
}

}  // namespace
}  // namespace sconce
