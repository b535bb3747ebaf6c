// Layers that apply a function to each element, or along one dimension.
#pragma once

#include <cstdint>
#include <string>

#include "sconce/nn/module.h"

namespace sconce::nn {

// max(x, 0).
class ReLU : public Layer {
 public:
  Tensor forward(const Tensor& input) override;
  SCONCE_MODULE()
};

// exp(x) / sum(exp(x)) along a dimension.
class Softmax : public Layer {
 public:
  explicit Softmax(std::int64_t dim) : dim_(dim) {}
  Tensor forward(const Tensor& input) override;
  std::string extra_repr() const override;
  SCONCE_MODULE()

 private:
  std::int64_t dim_;
};

// The logarithm of Softmax.
class LogSoftmax : public Layer {
 public:
  explicit LogSoftmax(std::int64_t dim) : dim_(dim) {}
  Tensor forward(const Tensor& input) override;
  std::string extra_repr() const override;
  SCONCE_MODULE()

 private:
  std::int64_t dim_;
};

}  // namespace sconce::nn
