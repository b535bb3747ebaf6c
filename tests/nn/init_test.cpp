#include "sconce/nn/init.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error_matcher.h"
#include "sconce/nn/batch_norm2d.h"
#include "sconce/nn/conv2d.h"
#include "sconce/nn/linear.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/random.h"
#include "support/digest.h"
#include "support/text_data.h"

namespace sconce::nn {
namespace {

// Line: function, argument, shape and the digest of what PyTorch makes of it from seed 11.
TEST(Init, DrawsTheBitsOfPyTorch) {
  int cases = 0;
  for (const std::string& line : test::golden_lines("nn_init/init.txt")) {
    SCOPED_TRACE(line);
    const std::vector<std::string> words = test::words_of(line);
    ASSERT_EQ(words.size(), 5U);
    const std::string& name = words[0];
    const double argument = std::stod(words[1]);
    const std::string& mode = words[2];
    const Tensor out = empty(test::shape_from_text(words[3]));
    Generator generator(11);
    if (name == "uniform") init::uniform(out, -argument, argument, generator);
    if (name == "normal") init::normal(out, argument, 0.5, generator);
    if (name == "xavier_uniform") init::xavier_uniform(out, argument, generator);
    if (name == "xavier_normal") init::xavier_normal(out, argument, generator);
    const init::KaimingOptions leaky{.a = argument, .mode = mode};
    const init::KaimingOptions relu{.mode = mode, .nonlinearity = "relu"};
    if (name == "kaiming_uniform") init::kaiming_uniform(out, leaky, generator);
    if (name == "kaiming_normal") init::kaiming_normal(out, leaky, generator);
    if (name == "kaiming_uniform_relu") init::kaiming_uniform(out, relu, generator);
    if (name == "kaiming_normal_relu") init::kaiming_normal(out, relu, generator);
    EXPECT_EQ(test::sha256_of(out.array()), words[4]);
    ++cases;
  }
  EXPECT_GE(cases, 20);
}

TEST(Init, Fills) {
  Tensor x = empty({2});
  init::constant(x, 2.5);
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{2.5, 2.5}));
  init::ones(x);
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{1, 1}));
  init::zeros(x);
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{0, 0}));
}

TEST(Init, KnowsGains) {
  for (const char* name : {"linear", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "sigmoid"}) {
    EXPECT_EQ(init::calculate_gain(name), 1) << name;
  }
  EXPECT_EQ(init::calculate_gain("tanh"), 5.0 / 3);
  EXPECT_EQ(init::calculate_gain("relu"), std::sqrt(2.0));
  EXPECT_EQ(init::calculate_gain("leaky_relu"), std::sqrt(2.0 / (1 + 0.01 * 0.01)));
  EXPECT_EQ(init::calculate_gain("leaky_relu", 0.2), std::sqrt(2.0 / (1 + 0.2 * 0.2)));
  EXPECT_EQ(init::calculate_gain("selu"), 0.75);
  EXPECT_ERROR(init::calculate_gain("gelu"), ErrorCode::kInvalidArgument);
}

TEST(Init, RefusesWhatMakesNoSense) {
  EXPECT_ERROR(init::fans({3}), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(init::xavier_uniform(empty({3})), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(init::kaiming_normal(empty({3, 3}), {.mode = "fan_both"}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(init::kaiming_uniform(empty({3, 3}), {.nonlinearity = "gelu"}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(init::uniform(empty({3}, {.dtype = kInt64})), ErrorCode::kDTypeMismatch);
}

TEST(SkipInit, BuildsWithoutDrawing) {
  manual_seed(1);
  const Array before = default_generator().state();
  {
    const SkipInit outer;
    {
      const SkipInit inner;
      const Conv2d conv(3, 4, 5);
      EXPECT_EQ(conv.weight.shape(), Shape({4, 3, 5, 5}));
      EXPECT_TRUE(conv.weight.requires_grad());
    }
    EXPECT_TRUE(SkipInit::is_active());
    const Linear linear(3, 4);
    // What a state_dict of an older version may lack is never left unfilled.
    const BatchNorm2d norm(2);
    EXPECT_EQ(norm.num_batches_tracked.item(), 0);
    EXPECT_EQ(norm.running_var.to_vector<float>(), (std::vector<float>{1, 1}));
  }
  EXPECT_FALSE(SkipInit::is_active());
  EXPECT_TRUE(default_generator().state().same_bits(before));
  const Linear linear(3, 4);
  EXPECT_FALSE(default_generator().state().same_bits(before));
}

}  // namespace
}  // namespace sconce::nn
