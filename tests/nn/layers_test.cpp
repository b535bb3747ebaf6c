#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/codec/sha256.h"
#include "sconce/nn/nn.h"
#include "sconce/tensor/conv.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/grad_mode.h"
#include "sconce/tensor/random.h"

namespace sconce::nn {
namespace {

// The digest of all values of a state_dict, one after the other.
std::string digest(const Module& module) {
  Sha256 sha;
  for (const auto& [name, value] : module.state_dict()) {
    const Array dense = value.array().contiguous();
    sha.update({dense.raw(), dense.nbytes()});
  }
  return to_hex(sha.finish());
}

void expect_equal(const Tensor& found, const Tensor& expected) {
  EXPECT_TRUE(found.array().same_bits(expected.array().contiguous())) << found << "\n" << expected;
}

TEST(Layers, BeginWithTheBitsOfPyTorch) {
  manual_seed(0);
  EXPECT_EQ(digest(Linear(20, 30)), "5d1007511b465e144f645996644c6391d4cd2247b37f770331644900f76f3428");
  manual_seed(0);
  EXPECT_EQ(digest(Conv2d(4, 6, 3)), "5980546a2f2e69fd7bb74660f74d1ea7766227b4ec000a15cd0a77eac30984ac");
}

TEST(Layers, PrintAsPyTorch) {
  EXPECT_EQ(Linear(2, 3).str(), "Linear(in_features=2, out_features=3, bias=True)");
  EXPECT_EQ(Linear(2, 3, {.bias = false}).str(), "Linear(in_features=2, out_features=3, bias=False)");
  EXPECT_EQ(Conv2d(3, 6, 5).str(), "Conv2d(3, 6, kernel_size=(5, 5), stride=(1, 1))");
  EXPECT_EQ(
      Conv2d(
          4, 6, {3, 5},
          {.stride = 2, .padding = 1, .dilation = 2, .groups = 2, .bias = false, .padding_mode = "reflect"})
          .str(),
      "Conv2d(4, 6, kernel_size=(3, 5), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, "
      "bias=False, "
      "padding_mode=reflect)");
  EXPECT_EQ(Conv2d(3, 6, 3, {.padding = "same"}).str(),
            "Conv2d(3, 6, kernel_size=(3, 3), stride=(1, 1), padding=same)");
  EXPECT_EQ(MaxPool2d(2, 2).str(),
            "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)");
  EXPECT_EQ(MaxPool2d(Pair(2, 3)).str(),
            "MaxPool2d(kernel_size=(2, 3), stride=(2, 3), padding=0, dilation=1, ceil_mode=False)");
  EXPECT_EQ(MaxPool2d(3, {.stride = 2, .padding = 1, .ceil_mode = true}).str(),
            "MaxPool2d(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=True)");
  EXPECT_EQ(AvgPool2d(2).str(), "AvgPool2d(kernel_size=2, stride=2, padding=0)");
  EXPECT_EQ(AvgPool2d(3, {.stride = 2, .padding = 1}).str(), "AvgPool2d(kernel_size=3, stride=2, padding=1)");
  EXPECT_EQ(AdaptiveAvgPool2d(1).str(), "AdaptiveAvgPool2d(output_size=1)");
  EXPECT_EQ(AdaptiveAvgPool2d(std::nullopt, 7).str(), "AdaptiveAvgPool2d(output_size=(None, 7))");
  EXPECT_EQ(AdaptiveAvgPool2d(3, 3).str(), "AdaptiveAvgPool2d(output_size=(3, 3))");
  EXPECT_EQ(AdaptiveAvgPool2d(Pair(3, 3)).str(), "AdaptiveAvgPool2d(output_size=(3, 3))");
  EXPECT_EQ(MaxPool2d(Pair(2, 2), {.padding = {1, 1}}).str(),
            "MaxPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(1, 1), dilation=1, ceil_mode=False)");
  EXPECT_EQ(AdaptiveAvgPool2d(2, 3).str(), "AdaptiveAvgPool2d(output_size=(2, 3))");
  EXPECT_EQ(ReLU().str(), "ReLU()");
  EXPECT_EQ(Flatten().str(), "Flatten(start_dim=1, end_dim=-1)");
  EXPECT_EQ(Flatten(0, 2).str(), "Flatten(start_dim=0, end_dim=2)");
  EXPECT_EQ(Dropout().str(), "Dropout(p=0.5, inplace=False)");
  EXPECT_EQ(Dropout(1).str(), "Dropout(p=1.0, inplace=False)");
  EXPECT_EQ(BatchNorm2d(4, {.eps = 1, .momentum = 0}).str(),
            "BatchNorm2d(4, eps=1.0, momentum=0.0, affine=True, bias=True, track_running_stats=True)");
  EXPECT_EQ(BatchNorm2d(4).str(),
            "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)");
  EXPECT_EQ(
      BatchNorm2d(4, {.eps = 1e-3, .momentum = {}, .affine = false, .track_running_stats = false}).str(),
      "BatchNorm2d(4, eps=0.001, momentum=None, affine=False, bias=False, track_running_stats=False)");
  EXPECT_EQ(Identity().str(), "Identity()");
  EXPECT_EQ(Softmax(1).str(), "Softmax(dim=1)");
  EXPECT_EQ(LogSoftmax(-1).str(), "LogSoftmax(dim=-1)");
  EXPECT_EQ(CrossEntropyLoss().str(), "CrossEntropyLoss()");
  EXPECT_EQ(MSELoss().str(), "MSELoss()");
}

TEST(Linear, MultipliesByTheTransposedWeight) {
  Linear layer{2, 3};
  layer.weight.mutable_array().copy_from(Array::from<float>({1, 2, 3, 4, 5, 6}, {3, 2}));
  layer.bias.mutable_array().copy_from(Array::from<float>({10, 20, 30}, {3}));
  expect_equal(layer(tensor(std::vector<float>{1, 1, 0, 1}, {2, 2})),
               tensor(std::vector<float>{13, 27, 41, 12, 24, 36}, {2, 3}));
  EXPECT_EQ(layer(ones({4, 5, 2})).shape(), Shape({4, 5, 3}));
  EXPECT_EQ(Linear(2, 3, {.dtype = kFloat64}).weight.dtype(), kFloat64);
  EXPECT_FALSE(Linear(2, 3, {.bias = false}).bias.defined());
  EXPECT_ERROR(layer(ones({2, 3})), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(Linear(-1, 3), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Linear(1, -3), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Linear(0, 2).bias.to_vector<float>(), (std::vector<float>{0, 0}));
}

TEST(Conv2d, PassesItsOptions) {
  manual_seed(1);
  Conv2d layer{4, 6, {3, 2}, {.stride = {2, 1}, .padding = {1, 0}, .dilation = 2, .groups = 2}};
  EXPECT_EQ(layer.weight.shape(), Shape({6, 2, 3, 2}));
  const Tensor image = randn({2, 4, 9, 8});
  expect_equal(layer(image), conv2d(image, layer.weight, layer.bias,
                                    {.stride = {2, 1}, .padding = {1, 0}, .dilation = 2, .groups = 2}));
}

TEST(Conv2d, PaddingMayBeAWord) {
  manual_seed(1);
  const Tensor image = randn({1, 1, 5, 6});
  Conv2d same{1, 1, {2, 3}, {.padding = "same", .dilation = {1, 2}}};
  EXPECT_EQ(same(image).shape(), image.shape());
  // 1 row in all, which goes below; 4 columns, 2 on each side.
  expect_equal(same(image), conv2d(pad(image, {2, 2, 0, 1}), same.weight, same.bias, {.dilation = {1, 2}}));
  Conv2d odd{1, 1, 3, {.padding = "same"}};
  expect_equal(odd(image), conv2d(image, odd.weight, odd.bias, {.padding = 1}));
  Conv2d valid{1, 1, 3, {.padding = "valid"}};
  EXPECT_EQ(valid(image).shape(), Shape({1, 1, 3, 4}));
}

TEST(Conv2d, PaddingMayShowTheImage) {
  manual_seed(1);
  const Tensor image = randn({1, 2, 5, 6});
  for (const auto& [word, mode] :
       {std::pair("reflect", PadMode::kReflect), std::pair("replicate", PadMode::kReplicate),
        std::pair("circular", PadMode::kCircular)}) {
    Conv2d layer{2, 3, 3, {.padding = {1, 2}, .padding_mode = word}};
    expect_equal(layer(image), conv2d(pad(image, {2, 2, 1, 1}, mode), layer.weight, layer.bias));
    Conv2d same{2, 3, 2, {.padding = "same", .padding_mode = word}};
    expect_equal(same(image), conv2d(pad(image, {0, 1, 0, 1}, mode), same.weight, same.bias));
  }
}

TEST(Conv2d, RefusesOptionsThatMakeNoSense) {
  EXPECT_ERROR(Conv2d(3, 4, 1, {.groups = 2}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Conv2d(4, 3, 1, {.groups = 2}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Conv2d(4, 4, 1, {.groups = 0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Conv2d(1, 1, 0), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Conv2d(1, 1, 1, {.stride = 0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Conv2d(1, 1, 1, {.padding = -1}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Conv2d(1, 1, 1, {.padding = "full"}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Conv2d(1, 1, 1, {.padding_mode = "mirror"}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Conv2d(1, 1, 1, {.stride = 2, .padding = "same"}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(
      functional::conv2d(ones({1, 1, 4, 4}), ones({1, 1, 2, 2}), {}, {.stride = 2, .padding = "same"}),
      ErrorCode::kInvalidArgument);
}

TEST(Pooling, PassesItsOptions) {
  manual_seed(1);
  const Tensor image = randn({2, 3, 7, 8});
  MaxPool2d max{3, {.stride = 2, .padding = 1, .ceil_mode = true}};
  expect_equal(max(image), max_pool2d(image, 3, {.stride = 2, .padding = 1, .ceil_mode = true}));
  expect_equal(MaxPool2d(2)(image), max_pool2d(image, 2));
  expect_equal(MaxPool2d(2, {.stride = {2, 1}})(image), max_pool2d(image, 2, {.stride = {2, 1}}));
  AvgPool2d average{3, {.stride = 2, .padding = 1, .count_include_pad = false}};
  expect_equal(average(image), avg_pool2d(image, 3, {.stride = 2, .padding = 1, .count_include_pad = false}));
  expect_equal(AvgPool2d(3, 1)(image), avg_pool2d(image, 3, {.stride = 1}));
  expect_equal(AdaptiveAvgPool2d(2, 3)(image), adaptive_avg_pool2d(image, {2, 3}));
  EXPECT_EQ(AdaptiveAvgPool2d(std::nullopt, 2)(image).shape(), Shape({2, 3, 7, 2}));
  EXPECT_ERROR(MaxPool2d(0), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(AvgPool2d(2, 0), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(AdaptiveAvgPool2d(0), ErrorCode::kInvalidArgument);
}

TEST(Activations, ApplyTheirFunctions) {
  const Tensor x = tensor({-1.0F, 2.0F});
  expect_equal(ReLU()(x), tensor({0.0F, 2.0F}));
  expect_equal(Softmax(0)(x), softmax(x, 0));
  expect_equal(LogSoftmax(0)(x), log_softmax(x, 0));
  EXPECT_TRUE(Identity()(x).is_same(x));
  EXPECT_EQ(Flatten()(ones({2, 3, 4})).shape(), Shape({2, 12}));
  EXPECT_EQ(Flatten(0, 1)(ones({2, 3, 4})).shape(), Shape({6, 4}));
}

TEST(Dropout, DrawsOnlyInTraining) {
  Dropout layer{0.25};
  const Tensor x = ones({100});
  manual_seed(4);
  const Tensor expected = dropout(x, 0.25, true);
  manual_seed(4);
  expect_equal(layer(x), expected);
  layer.eval();
  expect_equal(layer(x), x);
  EXPECT_ERROR(Dropout(1.5), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Dropout(-0.5), ErrorCode::kInvalidArgument);
}

TEST(BatchNorm2d, KeepsStatisticsInTrainingOnly) {
  BatchNorm2d layer{1};
  const Tensor image = tensor(std::vector<float>{0, 2, 4, 6}, {2, 1, 1, 2});
  layer(image);
  EXPECT_EQ(layer.num_batches_tracked.item(), 1);
  EXPECT_FLOAT_EQ(layer.running_mean.item<float>(), 0.3F);
  EXPECT_FLOAT_EQ(layer.running_var.item<float>(), 0.9F + 0.1F * 20 / 3);
  layer.eval();
  const Tensor out = layer(image);
  EXPECT_EQ(layer.num_batches_tracked.item(), 1);
  EXPECT_NEAR(out.to_vector<float>()[0], -0.3 / std::sqrt(0.9 + 2.0 / 3 + 1e-5), 1e-6);
}

TEST(BatchNorm2d, MayAverageAllBatches) {
  BatchNorm2d layer{1, {.momentum = {}}};
  for (const float value : {1.0F, 2.0F, 6.0F}) {
    layer(tensor(std::vector<float>{value, value}, {2, 1, 1, 1}));
  }
  EXPECT_FLOAT_EQ(layer.running_mean.item<float>(), 3);
}

TEST(BatchNorm2d, MayLackStatisticsAndParameters) {
  BatchNorm2d layer{1, {.affine = false, .track_running_stats = false}};
  layer.eval();
  const Tensor out = layer(tensor(std::vector<float>{0, 2}, {2, 1, 1, 1}));
  EXPECT_NEAR(out.to_vector<float>()[0], -1, 1e-5);
  EXPECT_TRUE(layer.parameters().empty());
  const BatchNorm2d scaled{1, {.bias = false}};
  EXPECT_TRUE(scaled.weight.defined());
  EXPECT_FALSE(scaled.bias.defined());
}

TEST(BatchNorm2d, CountsABatchBeforeItRefusesIt) {
  BatchNorm2d layer{3};
  EXPECT_ERROR(layer(ones({1, 3, 1, 1})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(layer.num_batches_tracked.item(), 1);
  EXPECT_ERROR(layer(ones({1, 3})), ErrorCode::kShapeMismatch);
  EXPECT_EQ(layer.num_batches_tracked.item(), 1);
  EXPECT_ERROR(layer(ones({2, 4, 2, 2})), ErrorCode::kShapeMismatch);
}

TEST(Losses, PassTheirOptions) {
  manual_seed(1);
  const Tensor scores = randn({4, 3});
  const Tensor target = tensor({0, 2, 1, 2});
  const Tensor weight = tensor({1.0F, 2.0F, 3.0F});
  const CrossEntropyLoss plain;
  expect_equal(plain(scores, target), cross_entropy(scores, target));
  EXPECT_TRUE(plain.state_dict().empty());
  const CrossEntropyOptions options{
      .weight = weight, .ignore_index = 1, .reduction = Reduction::kSum, .label_smoothing = 0.1};
  CrossEntropyLoss loss(options);
  expect_equal(loss(scores, target), cross_entropy(scores, target, options));
  EXPECT_THAT(loss.state_dict().names(), testing::ElementsAre("weight"));
  EXPECT_TRUE(loss.parameters().empty());
  // The buffer, not the option, is what counts: it may have been loaded.
  loss.weight.mutable_array().fill(1);
  CrossEntropyOptions unweighted = options;
  unweighted.weight = ones({3});
  expect_equal(loss(scores, target), cross_entropy(scores, target, unweighted));
  expect_equal(MSELoss()(scores, scores * 2.0), mse_loss(scores, scores * 2.0));
  expect_equal(MSELoss(Reduction::kNone)(scores, scores), zeros({4, 3}));
}

}  // namespace
}  // namespace sconce::nn
