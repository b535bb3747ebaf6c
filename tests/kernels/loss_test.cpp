#include "sconce/kernels/loss.h"

#include <gtest/gtest.h>

#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::code_of;
using test::PoisonScope;
using test::Random;

const Array kScores = Array::from<double>({-1, -2, -3, -4, -5, -6}, {2, 3});
const Array kWeight = Array::from<double>({1, 2, 4}, {3});
const Array kTarget = Array::from<std::int64_t>({2, 0}, {2});

double loss_of(const Array& target, const Array& weight, Reduction reduction) {
  return kernels::nll_loss(kScores, target, weight, reduction, kIgnoreIndex).loss.item<double>();
}

TEST(NllLoss, Reductions) {
  const PoisonScope poison;
  EXPECT_EQ(kernels::nll_loss(kScores, kTarget, {}, Reduction::kNone, kIgnoreIndex).loss.to_vector<double>(),
            (std::vector<double>{3, 4}));
  EXPECT_EQ(loss_of(kTarget, {}, Reduction::kSum), 7);
  EXPECT_EQ(loss_of(kTarget, {}, Reduction::kMean), 3.5);
  EXPECT_EQ(loss_of(kTarget, kWeight, Reduction::kSum), 4 * 3 + 1 * 4);
  EXPECT_EQ(loss_of(kTarget, kWeight, Reduction::kMean), 16.0 / 5);
}

TEST(NllLoss, IgnoredTargetsDoNotCount) {
  const Array target = Array::from<std::int64_t>({kIgnoreIndex, 1}, {2});
  EXPECT_EQ(loss_of(target, {}, Reduction::kMean), 5);
  EXPECT_EQ(kernels::nll_loss(kScores, target, {}, Reduction::kNone, kIgnoreIndex).loss.to_vector<double>(),
            (std::vector<double>{0, 5}));
  const Array none = Array::full({2}, kIgnoreIndex, kInt64);
  EXPECT_TRUE(std::isnan(loss_of(none, {}, Reduction::kMean)));
  EXPECT_EQ(loss_of(none, {}, Reduction::kSum), 0);
  // An ignored index may be a class as well.
  EXPECT_EQ(kernels::nll_loss(kScores, kTarget, {}, Reduction::kSum, 0).loss.item<double>(), 3);
}

TEST(NllLoss, GradientSitsAtTheTargets) {
  const PoisonScope poison;
  const auto forward = kernels::nll_loss(kScores, kTarget, kWeight, Reduction::kMean, kIgnoreIndex);
  const Array mean = kernels::nll_loss_backward(Array::scalar(10.0), {2, 3}, kTarget, kWeight,
                                                forward.total_weight, Reduction::kMean, kIgnoreIndex);
  EXPECT_EQ(mean.to_vector<double>(), (std::vector<double>{0, 0, -8, -2, 0, 0}));
  const Array each = kernels::nll_loss_backward(Array::from<double>({1, 3}, {2}), {2, 3}, kTarget, {},
                                                forward.total_weight, Reduction::kNone, kIgnoreIndex);
  EXPECT_EQ(each.to_vector<double>(), (std::vector<double>{0, 0, -1, -3, 0, 0}));
}

TEST(NllLoss, ImagesHaveTheClassInTheSecondDimension) {
  Random random(1);
  const Array scores = random.normal({2, 3, 4, 5}, kFloat64);
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 40; ++i) labels.push_back(random.integer(0, 2));
  const Array target = Array::from(labels, {2, 4, 5});
  const auto found = kernels::nll_loss(random.scattered(scores), random.scattered(target), {},
                                       Reduction::kNone, kIgnoreIndex);
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t i = 0; i < 20; ++i) {
      const std::int64_t label = labels[static_cast<std::size_t>(n * 20 + i)];
      EXPECT_EQ(found.loss.data<double>()[n * 20 + i], -scores.data<double>()[(n * 3 + label) * 20 + i]);
    }
  }
}

TEST(NllLoss, OneSampleWithoutABatch) {
  const Array scores = Array::from<float>({-1, -2, -3}, {3});
  const Array target = Array::scalar(std::int64_t{1});
  const auto found = kernels::nll_loss(scores, target, {}, Reduction::kNone, kIgnoreIndex);
  EXPECT_EQ(found.loss.shape(), Shape{});
  EXPECT_EQ(found.loss.item<float>(), 2);
}

TEST(NllLoss, Rejects) {
  const auto run = [](const Array& scores, const Array& target, const Array& weight) {
    return code_of([&] { kernels::nll_loss(scores, target, weight, Reduction::kMean, kIgnoreIndex); });
  };
  EXPECT_EQ(run(Array::scalar(1.0), kTarget, {}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(kScores, Array::zeros({3}, kInt64), {}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(kScores, Array::zeros({2, 2}, kInt64), {}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(kScores, kTarget.cast(kInt32), {}), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(run(kScores, kTarget, Array::ones({2}, kFloat64)), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(kScores, kTarget, Array::ones({3}, kFloat32)), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(run(kScores.cast(kInt64), kTarget, {}), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(run(kScores, Array::full({2}, 3, kInt64), {}), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(run(kScores, Array::full({2}, -1, kInt64), {}), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] {
              kernels::nll_loss_backward(Array::ones({3}, kFloat64), {2, 3}, kTarget, {}, Array::scalar(2.0),
                                         Reduction::kNone, kIgnoreIndex);
            }),
            ErrorCode::kShapeMismatch);
}

}  // namespace
}  // namespace sconce
