// A fully connected layer.
#pragma once

#include <cstdint>
#include <string>

#include "sconce/nn/module.h"

namespace sconce::nn {

struct LinearOptions {
  bool bias = true;
  DType dtype = kFloat32;
};

// y = x weight^T + bias, for x of shape (..., in_features).
class Linear : public Layer {
 public:
  // Error kInvalidArgument for a negative size.
  Linear(std::int64_t in_features, std::int64_t out_features, const LinearOptions& options = {});

  Tensor forward(const Tensor& input) override;
  std::string extra_repr() const override;
  std::int64_t in_features() const { return in_features_; }
  std::int64_t out_features() const { return out_features_; }

  Parameter weight;  // (out_features, in_features)
  Parameter bias;    // (out_features,), absent without bias
  SCONCE_MODULE(weight, bias)

 private:
  std::int64_t in_features_;
  std::int64_t out_features_;
};

}  // namespace sconce::nn
