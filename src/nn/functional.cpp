#include "sconce/nn/functional.h"

#include "sconce/tensor/conv.h"

namespace sconce::nn::functional {

// torch/nn/modules/conv.py, _conv_forward, and the "same" rule of aten/src/ATen/native/Convolution.cpp.
Tensor conv2d(const Tensor& image, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  Conv2dParams params{options.stride, options.padding.size(), options.dilation, options.groups};
  SidePadding h{params.padding.h, params.padding.h};
  SidePadding w{params.padding.w, params.padding.w};
  if (options.padding.is_same()) {
    require(options.stride == Pair(1), ErrorCode::kInvalidArgument, "conv2d",
            "padding='same' is not supported for strided convolutions");
    h = same_padding(weight.size(-2), options.dilation.h);
    w = same_padding(weight.size(-1), options.dilation.w);
  }
  if (options.padding_mode == PadMode::kConstant && h.before == h.after && w.before == w.after) {
    params.padding = {h.before, w.before};
    return sconce::conv2d(image, weight, bias, params);
  }
  params.padding = 0;
  const Tensor padded = pad(image, {w.before, w.after, h.before, h.after}, options.padding_mode);
  return sconce::conv2d(padded, weight, bias, params);
}

}  // namespace sconce::nn::functional
