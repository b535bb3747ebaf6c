// Layers that leave the values alone.
#pragma once

#include <cstdint>
#include <string>

#include "sconce/nn/module.h"

namespace sconce::nn {

// The input itself.
class Identity : public Layer {
 public:
  Tensor forward(const Tensor& input) override { return input; }
  SCONCE_MODULE()
};

// Joins dimensions start_dim to end_dim: (N, C, H, W) -> (N, C * H * W).
class Flatten : public Layer {
 public:
  explicit Flatten(std::int64_t start_dim = 1, std::int64_t end_dim = -1)
      : start_(start_dim), end_(end_dim) {}
  Tensor forward(const Tensor& input) override { return input.flatten(start_, end_); }
  std::string extra_repr() const override { return cat("start_dim=", start_, ", end_dim=", end_); }
  SCONCE_MODULE()

 private:
  std::int64_t start_;
  std::int64_t end_;
};

}  // namespace sconce::nn
