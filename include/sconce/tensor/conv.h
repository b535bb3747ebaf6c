// Convolution of images.
#pragma once

#include "sconce/kernels/conv.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

// image (N, C, H, W) or (C, H, W), weight (O, C / groups, KH, KW), bias (O,) or undefined -> (N, O, OH, OW)
// or (O, OH, OW); float32 or float64, all alike. Twice differentiable. Errors: kShapeMismatch,
// kDTypeMismatch, kInvalidArgument.
Tensor conv2d(const Tensor& image, const Tensor& weight, const Tensor& bias = {},
              const Conv2dParams& params = {});

// The gradients of conv2d, for batches only: operations like any other, since they are convolutions too.
Tensor conv2d_backward_input(const Tensor& grad, const Tensor& weight, const Shape& image_shape,
                             const Conv2dParams& params = {});
Tensor conv2d_backward_weight(const Tensor& grad, const Tensor& image, const Shape& weight_shape,
                              const Conv2dParams& params = {});

// Zeros before and after one direction of an image.
struct SidePadding {
  std::int64_t before = 0;
  std::int64_t after = 0;
};
// What padding="same" means: dilation * (kernel - 1) in all, and the odd one goes after.
SidePadding same_padding(std::int64_t kernel, std::int64_t dilation);

}  // namespace sconce
