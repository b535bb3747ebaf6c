#include "sconce/optim/clip_grad.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error_matcher.h"
#include "optim/leaf.h"
#include "sconce/tensor/factory.h"

namespace sconce::optim {
namespace {

// Two parameters with gradients (3, 0) and (0, -4), and one without.
struct ClipGrad : testing::Test {
  Tensor a = leaf(zeros({2}));
  Tensor b = leaf(zeros({2}));
  Tensor idle = leaf(zeros({2}));
  ClipGrad() {
    a.set_grad(tensor({3.0F, 0.0F}));
    b.set_grad(tensor({0.0F, -4.0F}));
  }
  std::vector<Tensor> parameters() const { return {a, idle, b}; }
  std::vector<float> gradients() const {
    return {a.grad().to_vector<float>()[0], a.grad().to_vector<float>()[1], b.grad().to_vector<float>()[0],
            b.grad().to_vector<float>()[1]};
  }
};

TEST_F(ClipGrad, ScalesToTheNorm) {
  EXPECT_EQ(clip_grad_norm(parameters(), 1), 5);
  // torch.nn.utils.clip_grad_norm_: 1 / (5 + 1e-6) in float32.
  const float scale = 1.0F / (5.0F + 1e-6F);
  EXPECT_EQ(gradients(), (std::vector<float>{3 * scale, 0, 0, -4 * scale}));
}

TEST_F(ClipGrad, LeavesSmallGradients) {
  EXPECT_EQ(clip_grad_norm(parameters(), 10), 5);
  EXPECT_EQ(gradients(), (std::vector<float>{3, 0, 0, -4}));
}

TEST_F(ClipGrad, KnowsOtherNorms) {
  EXPECT_EQ(clip_grad_norm(parameters(), 100, {.norm_type = 1}), 7);
  EXPECT_EQ(clip_grad_norm(parameters(), 2, {.norm_type = std::numeric_limits<double>::infinity()}), 4);
  EXPECT_NEAR(gradients()[3], -2, 1e-5);
}

TEST_F(ClipGrad, RefusesANormThatIsNotFiniteWhenAsked) {
  a.set_grad(tensor({std::numeric_limits<float>::infinity(), 1.0F}));
  EXPECT_ERROR(clip_grad_norm(parameters(), 1, {.error_if_nonfinite = true}), ErrorCode::kNumeric);
  EXPECT_EQ(gradients()[3], -4);
  EXPECT_TRUE(std::isinf(clip_grad_norm(parameters(), 1)));
  EXPECT_EQ(gradients()[3], -0.0F);
}

TEST_F(ClipGrad, LimitsValues) {
  clip_grad_value(parameters(), 2.5);
  EXPECT_EQ(gradients(), (std::vector<float>{2.5, 0, 0, -2.5}));
  EXPECT_FALSE(idle.grad().defined());
}

TEST_F(ClipGrad, AcceptsNoGradients) {
  EXPECT_EQ(clip_grad_norm({idle}, 1), 0);
  clip_grad_value({idle}, 1);
  EXPECT_FALSE(idle.grad().defined());
}

}  // namespace
}  // namespace sconce::optim
