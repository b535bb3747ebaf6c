// Losses.
#pragma once

#include "sconce/kernels/loss.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

struct NllLossOptions {
  Tensor weight = {};  // (C,): what a sample of each class counts for; undefined: 1
  std::int64_t ignore_index = kIgnoreIndex;
  Reduction reduction = Reduction::kMean;
};
// -weight[target] * input[target]: input (N, C, ...) or (C,) of log probabilities, target int64 (N, ...) or
// (). The mean divides by the weights of the targets that count. Errors: kShapeMismatch, kDTypeMismatch,
// kIndexOutOfRange for a target that is no class.
Tensor nll_loss(const Tensor& input, const Tensor& target, const NllLossOptions& options = {});

struct CrossEntropyOptions {
  Tensor weight = {};  // (C,), undefined: 1
  std::int64_t ignore_index = kIgnoreIndex;
  Reduction reduction = Reduction::kMean;
  double label_smoothing = 0;  // the share of each target that is spread over all classes, in [0, 1]
};
// Cross entropy of the softmax of `input`, (N, C, ...) or (C,), with class indices (int64, as nll_loss) or
// with class probabilities (of input's shape and dtype). Errors as nll_loss, and kInvalidArgument.
Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyOptions& options = {});

// (input - target)^2; the two broadcast.
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::kMean);

}  // namespace sconce
