// Pooling layers. Images are (N, C, H, W) or (C, H, W). A kernel that is not square and stands alone is
// written MaxPool2d{Pair{2, 3}}: MaxPool2d{2, 3} is kernel 2, stride 3.
#pragma once

#include <optional>
#include <string>

#include "sconce/nn/module.h"
#include "sconce/tensor/pool.h"

namespace sconce::nn {

// Largest value of each window; options as sconce::MaxPool2dOptions.
class MaxPool2d : public Layer {
 public:
  MaxPool2d(Pair kernel_size, const MaxPool2dOptions& options = {});
  MaxPool2d(Pair kernel_size, Pair stride) : MaxPool2d(kernel_size, MaxPool2dOptions{.stride = stride}) {}
  Tensor forward(const Tensor& input) override;
  std::string extra_repr() const override;
  SCONCE_MODULE()

 private:
  Pair kernel_size_;
  MaxPool2dOptions options_;
};

// Mean of each window; options as sconce::AvgPool2dOptions.
class AvgPool2d : public Layer {
 public:
  AvgPool2d(Pair kernel_size, const AvgPool2dOptions& options = {});
  AvgPool2d(Pair kernel_size, Pair stride) : AvgPool2d(kernel_size, AvgPool2dOptions{.stride = stride}) {}
  Tensor forward(const Tensor& input) override;
  std::string extra_repr() const override;
  SCONCE_MODULE()

 private:
  Pair kernel_size_;
  AvgPool2dOptions options_;
};

// Means over windows that cover the image evenly, whatever its size: (..., H, W) -> (..., OH, OW).
class AdaptiveAvgPool2d : public Layer {
 public:
  // An absent size is the image's own (PyTorch's None).
  AdaptiveAvgPool2d(std::optional<std::int64_t> height, std::optional<std::int64_t> width);
  AdaptiveAvgPool2d(Pair output_size);  // NOLINT(google-explicit-constructor): AdaptiveAvgPool2d(1)
  Tensor forward(const Tensor& input) override;
  std::string extra_repr() const override;
  SCONCE_MODULE()

 private:
  std::optional<std::int64_t> height_;
  std::optional<std::int64_t> width_;
  bool is_one_number_ = false;  // as Pair's
};

}  // namespace sconce::nn
