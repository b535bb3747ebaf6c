// torch.nn.functional: layers without state. Most are the operations of the tensor layer under PyTorch's
// names.
#pragma once

#include "sconce/nn/conv_padding.h"
#include "sconce/tensor/batch_norm.h"
#include "sconce/tensor/dropout.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/loss.h"
#include "sconce/tensor/matmul.h"
#include "sconce/tensor/pad.h"
#include "sconce/tensor/pool.h"
#include "sconce/tensor/softmax.h"

namespace sconce::nn::functional {

using sconce::adaptive_avg_pool2d;
using sconce::avg_pool2d;
using sconce::batch_norm;
using sconce::cross_entropy;
using sconce::dropout;
using sconce::linear;
using sconce::log_softmax;
using sconce::max_pool2d;
using sconce::max_pool2d_with_indices;
using sconce::mse_loss;
using sconce::nll_loss;
using sconce::pad;
using sconce::relu;
using sconce::sigmoid;
using sconce::softmax;
using sconce::tanh;

struct Conv2dOptions {
  Pair stride = 1;
  ConvPadding padding = 0;
  Pair dilation = 1;
  std::int64_t groups = 1;
  PadMode padding_mode = PadMode::kConstant;  // what the padding shows; kConstant: zeros
};
// sconce::conv2d with PyTorch's ways of padding. Errors as sconce::conv2d and sconce::pad; kInvalidArgument
// for "same" padding with a stride.
Tensor conv2d(const Tensor& image, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});

}  // namespace sconce::nn::functional
