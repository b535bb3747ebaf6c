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

// The values of channel `c` of an array (N, C, ...), in order.
std::vector<double> channel(const Array& array, std::int64_t c) {
  return array.select(1, c).to_vector<double>();
}

TEST(BatchNorm, StatisticsArePerChannel) {
  const PoisonScope poison;
  Random random(1);
  for (const Shape& shape : {Shape{4, 3, 5, 6}, Shape{7, 2}, Shape{2, 5, 17}, Shape{1, 3, 2, 2, 2}}) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Array x = random.normal(shape, dtype);
      const auto found = kernels::batch_norm_statistics(random.scattered(x), kEps);
      for (std::int64_t c = 0; c < shape[1]; ++c) {
        const auto values = channel(x, c);
        const auto count = static_cast<double>(values.size());
        double mean = 0;
        for (const double v : values) mean += v / count;
        double variance = 0;
        for (const double v : values) variance += (v - mean) * (v - mean) / count;
        const double tolerance = dtype == kFloat32 ? 2e-7 : 1e-13;
        EXPECT_NEAR(found.mean.select(0, c).item<double>(), mean, tolerance);
        EXPECT_NEAR(found.variance.select(0, c).item<double>(), variance, tolerance * variance);
        EXPECT_NEAR(found.inverse_deviation.select(0, c).item<double>(), 1 / std::sqrt(variance + kEps),
                    2 * tolerance / std::sqrt(variance + kEps));
      }
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
