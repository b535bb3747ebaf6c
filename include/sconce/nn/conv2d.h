// Two-dimensional convolution.
#pragma once

#include <cstdint>
#include <string>

#include "sconce/kernels/pad.h"
#include "sconce/nn/conv_padding.h"
#include "sconce/nn/module.h"

namespace sconce::nn {

struct Conv2dOptions {
  Pair stride = 1;
  ConvPadding padding = 0;
  Pair dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  std::string padding_mode = "zeros";  // or "reflect", "replicate", "circular": what the padding shows
  DType dtype = kFloat32;
};

// (N, in_channels, H, W) or (in_channels, H, W) -> (N, out_channels, OH, OW) or (out_channels, OH, OW).
class Conv2d : public Layer {
 public:
  // Error kInvalidArgument for options that make no sense, such as channels that groups does not divide.
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, Pair kernel_size,
         const Conv2dOptions& options = {});

  Tensor forward(const Tensor& input) override;
  std::string extra_repr() const override;
  const Conv2dOptions& options() const { return options_; }

  Parameter weight;  // (out_channels, in_channels / groups, kernel height, kernel width)
  Parameter bias;    // (out_channels,), absent without bias
  SCONCE_MODULE(weight, bias)

 private:
  std::int64_t in_channels_;
  std::int64_t out_channels_;
  Pair kernel_size_;
  Conv2dOptions options_;
  PadMode pad_mode_;
};

}  // namespace sconce::nn
