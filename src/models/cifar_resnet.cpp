#include "sconce/models/cifar_resnet.h"

#include "sconce/nn/functional.h"
#include "sconce/nn/init.h"

namespace sconce::models {
namespace {

constexpr std::int64_t kFirstChannels = 16;

// A 3x3 convolution that keeps the picture's size, but for its stride.
nn::Conv2d conv3x3(std::int64_t in_channels, std::int64_t channels, std::int64_t stride) {
  return {in_channels, channels, 3, {.stride = stride, .padding = 1, .bias = false}};
}

nn::Sequential group(std::int64_t in_channels, std::int64_t channels, std::int64_t blocks,
                     std::int64_t stride) {
  nn::Sequential out;
  for (std::int64_t i = 0; i < blocks; ++i) {
    out.push_back(i == 0 ? CifarBasicBlock(in_channels, channels, stride)
                         : CifarBasicBlock(channels, channels, 1));
  }
  return out;
}

}  // namespace

// The channels added are as many as there are outputs less inputs; the script's "a quarter of the outputs" on
// each side is the same for its doublings.
CifarShortcut::CifarShortcut(std::int64_t in_channels, std::int64_t channels, std::int64_t stride)
    : stride_(stride),
      channels_before_((channels - in_channels) / 2),
      channels_after_(channels - in_channels - channels_before_) {}

Tensor CifarShortcut::forward(const Tensor& image) {
  if (stride_ == 1 && channels_before_ == 0 && channels_after_ == 0) return image;
  const Slice every{std::nullopt, std::nullopt, stride_};
  return pad(image.slice(2, every).slice(3, every), {0, 0, 0, 0, channels_before_, channels_after_});
}

CifarBasicBlock::CifarBasicBlock(std::int64_t in_channels, std::int64_t channels, std::int64_t stride)
    : conv1(conv3x3(in_channels, channels, stride)),
      bn1(channels),
      conv2(conv3x3(channels, channels, 1)),
      bn2(channels),
      shortcut(in_channels, channels, stride) {}

Tensor CifarBasicBlock::forward(const Tensor& image) {
  Tensor x = relu(bn1(conv1(image)));
  x = bn2(conv2(x));
  return relu(x + shortcut(image));
}

CifarResNet::CifarResNet(std::int64_t blocks, std::int64_t classes)
    : conv1(conv3x3(3, kFirstChannels, 1)),
      bn1(kFirstChannels),
      layer1(group(kFirstChannels, kFirstChannels, blocks, 1)),
      layer2(group(kFirstChannels, 2 * kFirstChannels, blocks, 2)),
      layer3(group(2 * kFirstChannels, 4 * kFirstChannels, blocks, 2)),
      linear(4 * kFirstChannels, classes) {
  require(blocks >= 1, ErrorCode::kInvalidArgument, "cifar_resnet", "expected 1 or more blocks, found ",
          blocks);
  apply([](nn::Module& part) {
    if (const auto* conv = dynamic_cast<nn::Conv2d*>(&part)) nn::init::kaiming_normal(conv->weight);
    if (const auto* full = dynamic_cast<nn::Linear*>(&part)) nn::init::kaiming_normal(full->weight);
  });
}

Tensor CifarResNet::forward(const Tensor& image) {
  Tensor x = relu(bn1(conv1(image)));
  x = layer3(layer2(layer1(x)));
  x = avg_pool2d(x, x.size(3));
  return linear(x.view({x.size(0), -1}));
}

}  // namespace sconce::models
