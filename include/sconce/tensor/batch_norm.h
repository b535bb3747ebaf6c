// Batch normalisation.
#pragma once

#include "sconce/tensor/tensor.h"

namespace sconce {

struct BatchNormOptions {
  bool training = false;  // normalise with the batch's statistics and blend them into the running ones
  double momentum = 0.1;  // the batch's share of the running statistics
  double eps = 1e-5;
};

// (input - mean) / sqrt(variance + eps) * weight + bias per channel of input (N, C, ...), float32 or float64.
// weight and bias are (C,) or undefined. The running statistics are (C,); undefined ones are not kept, and
// without them the batch's statistics are needed. In training they are written to: the mean, and the unbiased
// variance. Twice differentiable. Errors: kShapeMismatch, kDTypeMismatch, kInvalidArgument (a single value
// per channel in training, no statistics outside it).
Tensor batch_norm(const Tensor& input, Tensor running_mean, Tensor running_variance,
                  const Tensor& weight = {}, const Tensor& bias = {}, const BatchNormOptions& options = {});

}  // namespace sconce
