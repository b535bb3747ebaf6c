// Pooling of images.
#pragma once

#include <optional>
#include <utility>

#include "sconce/kernels/window.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

// Images are (N, C, H, W) or (C, H, W), float32 or float64; results have as many dimensions. All are twice
// differentiable. Errors: kShapeMismatch, kInvalidArgument, kDTypeMismatch.

struct MaxPool2dOptions {
  Pair stride = kSameAsKernel;
  Pair padding = 0;  // counts as minus infinity; at most half of the kernel's reach
  Pair dilation = 1;
  bool ceil_mode = false;  // windows may hang over the far edges
};
// Largest value of each window: the first of equals, NaN above all.
Tensor max_pool2d(const Tensor& image, Pair kernel, const MaxPool2dOptions& options = {});
// The same, and int64 places of the values in their plane, counted row by row.
std::pair<Tensor, Tensor> max_pool2d_with_indices(const Tensor& image, Pair kernel,
                                                  const MaxPool2dOptions& options = {});

struct AvgPool2dOptions {
  Pair stride = kSameAsKernel;
  Pair padding = 0;  // counts as zero; at most half of the kernel
  bool ceil_mode = false;
  bool count_include_pad = true;                      // whether the padding counts in the divisor
  std::optional<std::int64_t> divisor_override = {};  // replaces the divisor
};
// Mean of each window.
Tensor avg_pool2d(const Tensor& image, Pair kernel, const AvgPool2dOptions& options = {});

// Means over `size` windows that cover the image evenly.
Tensor adaptive_avg_pool2d(const Tensor& image, Pair size);

}  // namespace sconce
