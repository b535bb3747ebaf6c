#include "sconce/nn/loss.h"

namespace sconce::nn {

CrossEntropyLoss::CrossEntropyLoss(const CrossEntropyOptions& options) : options_(options) {
  if (options.weight.defined()) weight = Buffer(options.weight);
  options_.weight = {};
}

Tensor CrossEntropyLoss::forward(const Tensor& input, const Tensor& target) const {
  CrossEntropyOptions options = options_;
  options.weight = weight;
  return cross_entropy(input, target, options);
}

Tensor MSELoss::forward(const Tensor& input, const Tensor& target) const {
  return mse_loss(input, target, reduction_);
}

}  // namespace sconce::nn
