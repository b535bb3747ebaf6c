#include "sconce/kernels/softmax.h"

#include <gtest/gtest.h>

#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::code_of;
using test::PoisonScope;
using test::Random;
using test::relative_difference;

TEST(Softmax, LinesAddUpToOneAlongAnyDimension) {
  const PoisonScope poison;
  Random random(1);
  for (const DType dtype : {kFloat32, kFloat64}) {
    const double tolerance = dtype == kFloat32 ? 1e-6 : 1e-14;
    const Array x = random.normal({3, 4, 5}, dtype);
    for (std::int64_t dim = -3; dim < 3; ++dim) {
      const Array y = kernels::softmax(random.scattered(x), dim);
      const Array log_y = kernels::log_softmax(random.scattered(x), dim);
      const std::int64_t size = x.size(dim);
      for (std::int64_t line = 0; line < x.numel() / size; ++line) {
        const auto values = [&](const Array& array) {
          return array.transpose(dim, -1).contiguous().view({-1, size}).select(0, line).to_vector<double>();
        };
        const auto in = values(x);
        const auto out = values(y);
        const auto logs = values(log_y);
        double sum = 0;
        for (const double v : in) sum += std::exp(v);
        for (std::size_t i = 0; i < in.size(); ++i) {
          EXPECT_NEAR(out[i], std::exp(in[i]) / sum, tolerance);
          EXPECT_NEAR(logs[i], in[i] - std::log(sum), 4 * tolerance);
        }
      }
    }
  }
}

TEST(Softmax, LargeValuesNeitherOverflowNorVanish) {
  const Array x = Array::from<float>({1000.0F, 1000.0F, -1000.0F}, {3});
  EXPECT_EQ(kernels::softmax(x, 0).to_vector<float>(), (std::vector<float>{0.5F, 0.5F, 0.0F}));
  const auto logs = kernels::log_softmax(x, 0).to_vector<float>();
  EXPECT_FLOAT_EQ(logs[0], -std::log(2.0F));
  EXPECT_FLOAT_EQ(logs[2], -2000.0F - std::log(2.0F));
}

TEST(Softmax, InfinitiesAsInPyTorch) {
  const Array masked = Array::from<float>({0.0F, -INFINITY, 0.0F}, {3});
  EXPECT_EQ(kernels::softmax(masked, 0).to_vector<float>(), (std::vector<float>{0.5F, 0.0F, 0.5F}));
  for (const float v : kernels::softmax(Array::full({3}, -INFINITY), 0).to_vector<float>()) {
    EXPECT_TRUE(std::isnan(v));
  }
}

TEST(Softmax, EmptyAndScalar) {
  EXPECT_EQ(kernels::softmax(Array::zeros({0, 3}), 1).shape(), (Shape{0, 3}));
  EXPECT_EQ(kernels::softmax(Array::zeros({3, 0}), 1).shape(), (Shape{3, 0}));
  EXPECT_EQ(kernels::softmax(Array::scalar(2.0F), 0).item<float>(), 1.0F);
  EXPECT_EQ(kernels::log_softmax(Array::scalar(2.0F), -1).item<float>(), 0.0F);
}

TEST(Softmax, GradientsEqualDifferences) {
  const PoisonScope poison;
  Random random(2);
  const Array x = random.normal({2, 3, 4}, kFloat64);
  const Array grad = random.normal(x.shape(), kFloat64);
  const auto objective = [&](Array (*function)(const Array&, std::int64_t), const Array& at) {
    const auto values = function(at, 1).to_vector<double>();
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] * grad.data<double>()[i];
    return sum;
  };
  const Array soft = kernels::softmax_backward(random.scattered(grad), kernels::softmax(x, 1), 1);
  const Array log_soft = kernels::log_softmax_backward(random.scattered(grad), kernels::log_softmax(x, 1), 1);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    Array up = x.clone();
    Array down = x.clone();
    up.mutable_data<double>()[i] += 1e-6;
    down.mutable_data<double>()[i] -= 1e-6;
    EXPECT_NEAR(soft.data<double>()[i],
                (objective(kernels::softmax, up) - objective(kernels::softmax, down)) / 2e-6, 1e-8);
    EXPECT_NEAR(log_soft.data<double>()[i],
                (objective(kernels::log_softmax, up) - objective(kernels::log_softmax, down)) / 2e-6, 1e-8);
  }
}

TEST(Softmax, Rejects) {
  const Array x = Array::zeros({2, 3});
  EXPECT_EQ(code_of([&] { kernels::softmax(x, 2); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] { kernels::log_softmax(x, -3); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] { kernels::softmax(x.cast(kInt64), 0); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] {
              kernels::softmax_backward(Array::zeros({3, 2}), x, 0);
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { kernels::log_softmax_backward(x.cast(kFloat64), x, 0); }),
            ErrorCode::kDTypeMismatch);
}

}  // namespace
}  // namespace sconce
