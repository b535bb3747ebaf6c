// Behaviour of the neural-network operations beyond their values: derivatives, modes, and what they reject.
#include <gtest/gtest.h>

#include <functional>

#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/batch_norm.h"
#include "sconce/tensor/conv.h"
#include "sconce/tensor/dropout.h"
#include "sconce/tensor/loss.h"
#include "sconce/tensor/ops.h"
#include "sconce/tensor/pad.h"
#include "sconce/tensor/pool.h"
#include "sconce/tensor/softmax.h"
#include "support/gradcheck.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::code_of;
using test::Random;

using Inputs = std::vector<Tensor>;

class NnOps : public ::testing::Test {
 protected:
  Tensor normal(const Shape& shape) { return random_.normal(shape, kFloat64); }
  Tensor labels(const Shape& shape, std::int64_t classes) {
    std::vector<std::int64_t> values;
    for (std::int64_t i = 0; i < shape.numel(); ++i) values.push_back(random_.integer(0, classes - 1));
    return Array::from(values, shape);
  }
  Random random_{7};
};

TEST_F(NnOps, Conv2dIsTwiceDifferentiable) {
  const std::vector<Conv2dParams> params = {
      {}, {.stride = {2, 1}, .padding = {1, 2}}, {.padding = 2, .dilation = 2}, {.stride = 2, .groups = 2}};
  for (const Conv2dParams& p : params) {
    const auto f = [p](const Inputs& in) { return conv2d(in[0], in[1], in[2], p); };
    const Inputs inputs = {normal({2, 4, 5, 6}), normal({2, 4 / p.groups, 3, 2}), normal({2})};
    test::expect_gradients(f, inputs);
    test::expect_second_gradients(f, inputs);
  }
  const auto unbatched = [](const Inputs& in) { return conv2d(in[0], in[1], {}, {.padding = 1}); };
  test::expect_gradients(unbatched, {normal({2, 4, 4}), normal({3, 2, 3, 3})});
}

TEST_F(NnOps, GradientsOfConv2dAreTwiceDifferentiable) {
  const Conv2dParams p{.stride = {2, 1}, .padding = {1, 0}, .dilation = {1, 2}, .groups = 2};
  const Shape image{2, 4, 5, 6};
  const Shape weight{4, 2, 3, 2};
  const Shape out = kernels::conv2d_shape(image, weight, p);
  const auto of_input = [&](const Inputs& in) { return conv2d_backward_input(in[0], in[1], image, p); };
  test::expect_gradients(of_input, {normal(out), normal(weight)});
  test::expect_second_gradients(of_input, {normal(out), normal(weight)});
  const auto of_weight = [&](const Inputs& in) { return conv2d_backward_weight(in[0], in[1], weight, p); };
  test::expect_gradients(of_weight, {normal(out), normal(image)});
  test::expect_second_gradients(of_weight, {normal(out), normal(image)});
}

TEST_F(NnOps, PoolsAreTwiceDifferentiable) {
  const std::vector<std::function<Tensor(const Inputs&)>> functions = {
      [](const Inputs& in) { return max_pool2d(in[0], 2); },
      [](const Inputs& in) { return max_pool2d(in[0], 3, {.stride = 2, .padding = 1, .ceil_mode = true}); },
      [](const Inputs& in) {
        return max_pool2d(in[0], 2, {.stride = 1, .dilation = {1, 2}});
      },
      [](const Inputs& in) {
        return max_pool2d_with_indices(in[0], {2, 3}, {.padding = {1, 0}}).first;
      },
      [](const Inputs& in) {
        return avg_pool2d(in[0], {2, 3});
      },
      [](const Inputs& in) {
        return avg_pool2d(in[0], 3,
                          {.stride = 2,
                           .padding = 1,
                           .ceil_mode = true,
                           .count_include_pad = false,
                           .divisor_override = {}});
      },
      [](const Inputs& in) { return avg_pool2d(in[0], 2, {.divisor_override = 3}); },
      [](const Inputs& in) {
        return adaptive_avg_pool2d(in[0], {2, 3});
      },
  };
  for (const auto& f : functions) {
    const auto squared = [&f](const Inputs& in) { return f({square(in[0])}); };
    test::expect_gradients(squared, {normal({2, 2, 5, 6})});
    test::expect_second_gradients(squared, {normal({1, 2, 5, 6})});
    test::expect_gradients(squared, {normal({2, 5, 5})});
  }
}

TEST_F(NnOps, BatchNormIsTwiceDifferentiable) {
  for (const bool training : {true, false}) {
    const Tensor mean = normal({3});
    const Tensor variance = add(square(normal({3})), 0.5);
    const auto f = [=](const Inputs& in) {
      return batch_norm(in[0], mean.clone(), variance.clone(), in[1], in[2], {.training = training});
    };
    const Inputs inputs = {normal({4, 3, 2}), normal({3}), normal({3})};
    test::expect_gradients(f, inputs);
    test::expect_second_gradients(f, inputs);
    const auto plain = [=](const Inputs& in) {
      return batch_norm(in[0], mean.clone(), variance.clone(), {}, {}, {.training = training});
    };
    test::expect_gradients(plain, {normal({3, 3, 2, 2})});
    test::expect_second_gradients(plain, {normal({5, 3})});
  }
}

TEST_F(NnOps, SoftmaxIsTwiceDifferentiable) {
  for (const std::int64_t dim : {0, 1, -1}) {
    const auto soft = [dim](const Inputs& in) { return softmax(in[0], dim); };
    const auto log_soft = [dim](const Inputs& in) { return log_softmax(in[0], dim); };
    test::expect_gradients(soft, {normal({2, 3, 4})});
    test::expect_second_gradients(soft, {normal({2, 3, 2})});
    test::expect_gradients(log_soft, {normal({2, 3, 4})});
    test::expect_second_gradients(log_soft, {normal({2, 3, 2})});
  }
}

TEST_F(NnOps, LossesAreTwiceDifferentiable) {
  const Tensor weight = add(square(normal({3})), 0.5);
  Tensor target = labels({4}, 3);
  target.select(0, 1).fill_(kIgnoreIndex);
  for (const Reduction reduction : {Reduction::kNone, Reduction::kMean, Reduction::kSum}) {
    for (const double smoothing : {0.0, 0.1}) {
      const auto indices = [&](const Inputs& in) {
        return cross_entropy(in[0], target,
                             {.weight = weight, .reduction = reduction, .label_smoothing = smoothing});
      };
      test::expect_gradients(indices, {normal({4, 3})});
      test::expect_second_gradients(indices, {normal({4, 3})});
      const auto probabilities = [&](const Inputs& in) {
        return cross_entropy(in[0], in[1],
                             {.weight = weight, .reduction = reduction, .label_smoothing = smoothing});
      };
      test::expect_gradients(probabilities, {normal({2, 3, 2}), normal({2, 3, 2})});
      test::expect_second_gradients(probabilities, {normal({2, 3}), normal({2, 3})});
    }
    const auto nll = [&](const Inputs& in) {
      return nll_loss(square(in[0]), target, {.weight = weight, .reduction = reduction});
    };
    test::expect_gradients(nll, {normal({4, 3})});
    test::expect_second_gradients(nll, {normal({4, 3})});
    const auto mse = [&](const Inputs& in) { return mse_loss(in[0], in[1], reduction); };
    test::expect_gradients(mse, {normal({2, 3}), normal({2, 3})});
    test::expect_second_gradients(mse, {normal({2, 3}), normal({2, 3})});
  }
}

TEST_F(NnOps, PadIsTwiceDifferentiable) {
  for (const PadMode mode :
       {PadMode::kConstant, PadMode::kReflect, PadMode::kReplicate, PadMode::kCircular}) {
    const auto f = [mode](const Inputs& in) { return pad(square(in[0]), {1, 2, -1, 1}, mode, 3); };
    test::expect_gradients(f, {normal({2, 3, 4})});
    test::expect_second_gradients(f, {normal({2, 3, 4})});
  }
}

TEST_F(NnOps, DropoutIsTwiceDifferentiable) {
  const auto f = [](const Inputs& in) {
    Generator generator(5);
    return dropout(square(in[0]), 0.4, true, generator);
  };
  test::expect_gradients(f, {normal({4, 5})});
  test::expect_second_gradients(f, {normal({4, 5})});
}

TEST_F(NnOps, SamePaddingPutsTheOddZeroAfter) {
  const auto expect = [](std::int64_t kernel, std::int64_t dilation, std::int64_t before,
                         std::int64_t after) {
    const SidePadding padding = same_padding(kernel, dilation);
    EXPECT_EQ(padding.before, before);
    EXPECT_EQ(padding.after, after);
  };
  expect(1, 1, 0, 0);
  expect(3, 1, 1, 1);
  expect(4, 1, 1, 2);
  expect(4, 3, 4, 5);
  EXPECT_EQ(code_of([] { same_padding(0, 1); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { same_padding(3, 0); }), ErrorCode::kInvalidArgument);
}

TEST_F(NnOps, Conv2dErrorNamesBothShapes) {
  try {
    conv2d(zeros({4, 1, 32, 32}), zeros({6, 3, 5, 5}));
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kShapeMismatch);
    EXPECT_STREQ(
        error.what(),
        "[conv2d] weight expects 3 input channels, image has 1 (image (4, 1, 32, 32), weight (6, 3, 5, 5))");
  }
  EXPECT_EQ(code_of([] { conv2d(zeros({8, 8}), zeros({6, 3, 5, 5})); }), ErrorCode::kShapeMismatch);
}

TEST_F(NnOps, ConvolutionAsPartOfAGraphKeepsItsInputs) {
  Tensor image = random_.normal({1, 1, 4, 4});
  Tensor weight = random_.normal({1, 1, 3, 3});
  weight.set_requires_grad();
  const Tensor out = conv2d(image, weight);
  image.mutable_array().fill(0);  // backward needs the image
  EXPECT_EQ(code_of([&] { sum(out).backward(); }), ErrorCode::kState);
}

TEST_F(NnOps, BatchNormMovesRunningStatisticsOnlyInTraining) {
  const Tensor x = normal({4, 3, 2});
  const Tensor mean = zeros({3}, {.dtype = kFloat64});
  const Tensor variance = ones({3}, {.dtype = kFloat64});
  batch_norm(x, mean, variance, {}, {}, {.training = false});
  EXPECT_EQ(mean.to_vector<double>(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(variance.to_vector<double>(), (std::vector<double>{1, 1, 1}));
  batch_norm(x, mean, variance, {}, {}, {.training = true, .momentum = 1});
  const auto channel = x.select(1, 1).to_vector<double>();
  double average = 0;
  for (const double v : channel) average += v / 8;
  double unbiased = 0;
  for (const double v : channel) unbiased += (v - average) * (v - average) / 7;
  EXPECT_NEAR(mean.to_vector<double>()[1], average, 1e-14);
  EXPECT_NEAR(variance.to_vector<double>()[1], unbiased, 1e-14);
}

TEST_F(NnOps, BatchNormBackwardUsesTheStatisticsOfItsForward) {
  Tensor x = normal({4, 3});
  x.set_requires_grad();
  Tensor mean = normal({3});
  Tensor variance = add(square(normal({3})), 0.5);
  Tensor weight = normal({3});
  weight.set_requires_grad();
  const auto gradients = [&](bool disturb) {
    const Tensor m = mean.clone();
    const Tensor v = variance.clone();
    const Tensor out = batch_norm(x, m, v, weight, {}, {.training = false});
    if (disturb) batch_norm(x.detach(), m, v, {}, {}, {.training = true});
    return grad({sum(square(out))}, {x, weight});
  };
  const auto expected = gradients(false);
  const auto found = gradients(true);
  EXPECT_TRUE(found[0].array().same_bits(expected[0].array()));
  EXPECT_TRUE(found[1].array().same_bits(expected[1].array()));
}

TEST_F(NnOps, BatchNormRejects) {
  const auto run = [](const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                      bool training) {
    return code_of([&] { batch_norm(x, mean, variance, weight, {}, {.training = training}); });
  };
  const Tensor none;
  EXPECT_EQ(run(ones({3}), none, none, none, true), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(ones({1, 3}), none, none, none, true), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(ones({4, 3}), none, none, none, false), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(ones({4, 3}), ones({3}), none, none, true), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(ones({4, 3}), ones({2}), ones({2}), none, true), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(ones({4, 3}), ones({2}), ones({2}), none, false), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(ones({4, 3}), ones({3}), ones({3}), ones({2}), true), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(ones({4, 3}), ones({3}), ones({3}), ones({3}, {.dtype = kFloat64}), true),
            ErrorCode::kDTypeMismatch);
  try {
    batch_norm(ones({1, 3}), none, none, {}, {}, {.training = true});
  } catch (const Error& error) {
    EXPECT_EQ(error.text(),
              "Expected more than 1 value per channel when training, got input size torch.Size([1, 3])");
  }
}

TEST_F(NnOps, RejectedBatchLeavesTheRunningStatisticsAlone) {
  const Tensor mean = zeros({3});
  const Tensor variance = ones({3});
  EXPECT_EQ(code_of([&] {
              batch_norm(ones({1, 3}), mean, variance, {}, {}, {.training = true});
            }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] {
              batch_norm(ones({4, 3}), mean, variance, ones({2}), {}, {.training = true});
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(mean.to_vector<double>(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(variance.to_vector<double>(), (std::vector<double>{1, 1, 1}));
}

TEST_F(NnOps, CrossEntropyRejects) {
  const auto run = [](const Tensor& x, const Tensor& y, const CrossEntropyOptions& options = {}) {
    return code_of([&] { cross_entropy(x, y, options); });
  };
  const Tensor x = zeros({3, 5});
  EXPECT_EQ(run(zeros({}), tensor(1)), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x, tensor({0, 1, 5})), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(run(x, tensor({0, 1, -1})), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(run(zeros({7, 5}), tensor({0, 1, 2})), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x, tensor({0, 1, 2}).to(kInt32)), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(run(x, zeros({3, 5}, {.dtype = kInt64})), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(run(x, zeros({3, 5}, {.dtype = kFloat64})), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(run(x, zeros({3, 5}), {.weight = ones({4})}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x, tensor({0, 1, 2}), {.weight = ones({4})}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(x, tensor({0, 1, 2}), {.label_smoothing = 1.5}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(x, tensor({0, 1, 2}), {.label_smoothing = -0.5}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(x, tensor({0, 1, 2}), {.weight = ones({5}, {.requires_grad = true})}),
            ErrorCode::kUnsupported);
  EXPECT_EQ(code_of([&] { nll_loss(x, tensor({0, 1, 5})); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] { mse_loss(x, zeros({3, 4})); }), ErrorCode::kShapeMismatch);
  try {
    cross_entropy(x, tensor({0, 1, 5}));
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "Target 5 is out of bounds.");
  }
  try {
    cross_entropy(zeros({7, 5}), tensor({0, 1, 2}));
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "Expected input batch_size (7) to match target batch_size (3).");
  }
}

TEST_F(NnOps, DropoutOutsideTrainingIsTheInput) {
  Generator generator(1);
  const Tensor x = normal({4, 5});
  EXPECT_TRUE(dropout(x, 0.5, false, generator).is_same(x));
  EXPECT_TRUE(dropout(x, 0, true, generator).is_same(x));
  EXPECT_EQ(dropout(x, 1, true, generator).to_vector<double>(), std::vector<double>(20, 0.0));
  EXPECT_TRUE(generator.state().same_bits(Generator(1).state()));  // none of them drew
}

TEST_F(NnOps, DropoutKeepsDroppedSigns) {
  Generator generator(1);
  const Tensor y = dropout(full({1000}, -2.0), 0.5, true, generator);
  int dropped = 0;
  for (const double v : y.to_vector<double>()) {
    EXPECT_TRUE(std::signbit(v));
    EXPECT_TRUE(v == 0 || v == -4);
    dropped += v == 0 ? 1 : 0;
  }
  EXPECT_NEAR(dropped, 500, 80);
}

TEST_F(NnOps, DropoutRejects) {
  EXPECT_EQ(code_of([] { dropout(zeros({2}), -0.1); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { dropout(zeros({2}), 1.1); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { dropout(zeros({2}, {.dtype = kInt64}), 0.5); }), ErrorCode::kDTypeMismatch);
}

TEST_F(NnOps, OthersReject) {
  EXPECT_EQ(code_of([] { max_pool2d(zeros({4, 4}), 2); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([] { max_pool2d(zeros({1, 4, 4}), 2, {.stride = 0}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { avg_pool2d(zeros({1, 4, 4}), 5); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([] { adaptive_avg_pool2d(zeros({1, 4, 4}), 0); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { softmax(zeros({2, 3}), 2); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([] { log_softmax(zeros({2, 3}, {.dtype = kInt64}), 1); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([] { pad(zeros({2, 3}), {3, 0}, PadMode::kReflect); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([] { pad(zeros({2, 3}), {1}); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sconce
