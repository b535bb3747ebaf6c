// Two-dimensional pooling and its gradients.
#pragma once

#include <optional>

#include "sconce/core/array.h"
#include "sconce/kernels/window.h"

namespace sconce::kernels {

// Images are (N, C, H, W), float32 or float64, with any strides; results are contiguous. Errors:
// kShapeMismatch for another rank or a window that does not fit, kInvalidArgument for sizes that make no
// sense.

struct MaxPool2dResult {
  Array values;  // (N, C, OH, OW)
  Array places;  // int32, alike: where each maximum is in its (H, W) plane, counted row by row; -1 for a
                 // window that dilation carries past every pixel, whose value is minus infinity
};
// Largest value of each window. The padding counts as minus infinity, the first of equal values wins, and
// NaN wins over all. Error kLimit for a plane of 2^31 elements or more.
MaxPool2dResult max_pool2d(const Array& image, const Window& window, bool ceil_mode);
// max_pool2d(relu(image)) to the bit, in one pass. `rising` is `places`, but -1 wherever relu gives 0: where
// the gradient of `image` goes.
struct ReluMaxPool2dResult {
  Array values, places, rising;
};
ReluMaxPool2dResult relu_max_pool2d(const Array& image, const Window& window, bool ceil_mode);
// Adds each gradient to the place it came from in an image of shape `image_shape` that `window` went over.
Array max_pool2d_backward(const Array& grad, const Array& places, const Shape& image_shape,
                          const Window& window);
// The values of `image` at `places`, 0 where there is no place: the transpose of max_pool2d_backward.
Array max_pool2d_gather(const Array& image, const Array& places);

struct AvgPool2dParams {
  Window window;  // its dilation is always 1
  bool ceil_mode = false;
  bool count_include_pad = true;                 // the divisor counts the padding (but nothing beyond it)
  std::optional<std::int64_t> divisor_override;  // replaces the divisor
};
// Mean of each window.
Array avg_pool2d(const Array& image, const AvgPool2dParams& params);
Array avg_pool2d_backward(const Array& grad, const Shape& image_shape, const AvgPool2dParams& params);

// Means of `out` windows that cover the image: window i is [floor(i n / o), ceil((i + 1) n / o)).
Array adaptive_avg_pool2d(const Array& image, Pair out);
Array adaptive_avg_pool2d_backward(const Array& grad, const Shape& image_shape);

}  // namespace sconce::kernels
