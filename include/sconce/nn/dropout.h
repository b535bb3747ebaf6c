// Dropout as a layer.
#pragma once

#include <string>

#include "sconce/nn/module.h"

namespace sconce::nn {

// In training mode, zeroes each element with probability p and divides the others by 1 - p; draws from the
// default generator what PyTorch draws.
class Dropout : public Layer {
 public:
  // Error kInvalidArgument unless 0 <= p <= 1.
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& input) override;
  std::string extra_repr() const override;
  SCONCE_MODULE()

 private:
  double p_;
};

}  // namespace sconce::nn
