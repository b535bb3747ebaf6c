// The sizes of one convolution, checked once.
#pragma once

#include <cstdint>

#include "sconce/core/array.h"
#include "sconce/core/shape.h"
#include "sconce/kernels/conv.h"

namespace sconce::kernels {

struct ConvSizes {
  std::int64_t batch = 0;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  Pair in = 0;  // height and width
  Pair out = 0;
  Pair kernel = 0;
  Conv2dParams params;

  std::int64_t group_in() const { return in_channels / params.groups; }
  std::int64_t group_out() const { return out_channels / params.groups; }
  Shape image_shape() const { return {batch, in_channels, in.h, in.w}; }
  Shape weight_shape() const { return {out_channels, group_in(), kernel.h, kernel.w}; }
  Shape output_shape() const { return {batch, out_channels, out.h, out.w}; }
  // Multiplications of one pass.
  double work() const {
    return static_cast<double>(batch) * static_cast<double>(out_channels) * static_cast<double>(out.h) *
           static_cast<double>(out.w) * static_cast<double>(group_in()) * static_cast<double>(kernel.h) *
           static_cast<double>(kernel.w);
  }
};

// Errors as conv2d_shape's.
ConvSizes conv_sizes(const Shape& image, const Shape& weight, const Conv2dParams& params);
// Error kShapeMismatch unless there is no bias or one value for each output channel.
void check_bias(const Array& bias, const ConvSizes& sizes);

}  // namespace sconce::kernels
