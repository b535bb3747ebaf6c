// Losses as modules.
#pragma once

#include <string>

#include "sconce/nn/module.h"
#include "sconce/tensor/loss.h"

namespace sconce::nn {

// A module that compares predictions with what they should have been.
class Loss : public Module {
 public:
  virtual Tensor forward(const Tensor& input, const Tensor& target) const = 0;
  Tensor operator()(const Tensor& input, const Tensor& target) const { return forward(input, target); }
};

// sconce::cross_entropy: input (N, C, ...) of scores, target (N, ...) of classes or (N, C, ...) of
// probabilities.
class CrossEntropyLoss : public Loss {
 public:
  explicit CrossEntropyLoss(const CrossEntropyOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) const override;

  Buffer weight;  // (C,), absent unless given
  SCONCE_MODULE(weight)

 private:
  CrossEntropyOptions options_;  // its weight stays empty: the buffer may be loaded
};

// (input - target)^2.
class MSELoss : public Loss {
 public:
  explicit MSELoss(Reduction reduction = Reduction::kMean) : reduction_(reduction) {}
  Tensor forward(const Tensor& input, const Tensor& target) const override;
  SCONCE_MODULE()

 private:
  Reduction reduction_;
};

}  // namespace sconce::nn
