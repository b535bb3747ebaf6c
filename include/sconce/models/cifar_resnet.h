// The residual networks for CIFAR-10 of He et al. 2015 (section 4.2), ResNet-20 to ResNet-110.
#pragma once

#include <cstdint>

#include "sconce/nn/batch_norm2d.h"
#include "sconce/nn/conv2d.h"
#include "sconce/nn/linear.h"
#include "sconce/nn/sequential.h"

namespace sconce::models {

// What a block adds to its result, without parameters: the input itself, or, where the block changes the
// shape, every stride-th pixel between channels of zeros (the paper's option A).
class CifarShortcut : public nn::Layer {
 public:
  CifarShortcut(std::int64_t in_channels, std::int64_t channels, std::int64_t stride);
  Tensor forward(const Tensor& image) override;
  SCONCE_MODULE()

 private:
  std::int64_t stride_;
  std::int64_t channels_before_;
  std::int64_t channels_after_;
};

struct CifarBasicBlock : nn::Layer {
  CifarBasicBlock(std::int64_t in_channels, std::int64_t channels, std::int64_t stride);

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  CifarShortcut shortcut;
  SCONCE_MODULE(conv1, bn1, conv2, bn2, shortcut)

  // (N, in_channels, H, W) -> (N, channels, H / stride, W / stride), rounded up.
  Tensor forward(const Tensor& image) override;
};

// Three groups of `blocks` blocks with 16, 32 and 64 channels: 6 * blocks + 2 layers with weights. Names and
// initial values (kaiming_normal for every convolution and `linear`) are those of the usual PyTorch script.
struct CifarResNet : nn::Layer {
  // Error kInvalidArgument unless there is a block.
  explicit CifarResNet(std::int64_t blocks, std::int64_t classes = 10);

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Sequential layer1, layer2, layer3;
  nn::Linear linear;
  SCONCE_MODULE(conv1, bn1, layer1, layer2, layer3, linear)

  Tensor forward(const Tensor& image) override;  // (N, 3, 32, 32) -> (N, classes)
};

}  // namespace sconce::models
