#include "sconce/toolbox/stats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>

#include "base/error_matcher.h"

namespace sconce::toolbox {
namespace {

TEST(TensorStats, CountsWhatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const TensorStats stats = tensor_stats(Array::from<float>({1, -3, 0, NAN, kInfinity, -kInfinity}, {2, 3}));
  EXPECT_EQ(stats.count, 6);
  EXPECT_EQ(stats.nan, 1);
  EXPECT_EQ(stats.infinite, 2);
  EXPECT_EQ(stats.zeros, 1);
  EXPECT_DOUBLE_EQ(stats.min, -3);
  EXPECT_DOUBLE_EQ(stats.max, 1);
  EXPECT_DOUBLE_EQ(stats.mean, -2.0 / 3);
  EXPECT_NEAR(stats.std, std::sqrt((1.0 + 9.0) / 3 - 4.0 / 9), 1e-15);
}

TEST(TensorStats, AnEmptyTensorHasNoMean) {
  const TensorStats stats = tensor_stats(Array::zeros({0, 3}));
  EXPECT_EQ(stats.count, 0);
  EXPECT_TRUE(std::isnan(stats.mean));
  EXPECT_TRUE(std::isnan(stats.min));
}

TEST(TensorStats, ViewsAndOtherTypes) {
  const Array array = Array::from<std::int64_t>({1, 2, 3, 4, 5, 6}, {2, 3}).transpose(0, 1).select(0, 1);
  EXPECT_DOUBLE_EQ(tensor_stats(array).mean, 3.5);
  EXPECT_DOUBLE_EQ(tensor_stats(Array::scalar(std::complex<double>(3, 4))).max, 5);
  EXPECT_EQ(tensor_stats(Array::scalar(true)).zeros, 0);
  EXPECT_ERROR(tensor_stats(Array::zeros({2}, kQInt8)), ErrorCode::kDTypeMismatch);
}

TEST(TensorStats, LargeMeansAreExact) {
  // One pass over squares would lose everything here.
  EXPECT_NEAR(tensor_stats(Array::from<double>({1e9, 1e9 + 1, 1e9 + 2}, {3})).std, std::sqrt(2.0 / 3), 1e-9);
  EXPECT_EQ(tensor_stats(Array::ones({300, 1000})).count, 300000);
}

}  // namespace
}  // namespace sconce::toolbox
