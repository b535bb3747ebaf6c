// Two-dimensional convolution (cross-correlation, as in PyTorch) and its gradients.
#pragma once

#include "sconce/core/array.h"
#include "sconce/kernels/window.h"

namespace sconce {

// How a convolution's window moves. `padding` adds zeros on both sides; `groups` splits the channels.
struct Conv2dParams {
  Pair stride = 1;
  Pair padding = 0;
  Pair dilation = 1;
  std::int64_t groups = 1;
};

namespace kernels {

// Shapes used below: image (N, C, H, W), weight (O, C / groups, KH, KW), bias (O,), output (N, O, OH, OW).
// Arrays are float32 or float64, all alike, with any strides; results are contiguous.

// Shape of the output. Errors: kShapeMismatch when the shapes do not fit together or the image is smaller
// than the window, kInvalidArgument for a stride, padding, dilation or groups that make no sense.
Shape conv2d_shape(const Shape& image, const Shape& weight, const Conv2dParams& params);

// The convolution plus the bias, which may be undefined.
Array conv2d(const Array& image, const Array& weight, const Array& bias, const Conv2dParams& params);
// Gradient with respect to the image of shape `image_shape`.
Array conv2d_backward_input(const Array& grad, const Array& weight, const Shape& image_shape,
                            const Conv2dParams& params);
// Gradient with respect to the weight of shape `weight_shape`.
Array conv2d_backward_weight(const Array& grad, const Array& image, const Shape& weight_shape,
                             const Conv2dParams& params);
// Gradient with respect to the bias: `grad` summed over everything but its channels.
Array conv2d_backward_bias(const Array& grad);

// The plain loops behind the above: the only path for float64 and the oracle of the fast one.
namespace reference {
Array conv2d(const Array& image, const Array& weight, const Array& bias, const Conv2dParams& params);
Array conv2d_backward_input(const Array& grad, const Array& weight, const Shape& image_shape,
                            const Conv2dParams& params);
Array conv2d_backward_weight(const Array& grad, const Array& image, const Shape& weight_shape,
                             const Conv2dParams& params);
}  // namespace reference

}  // namespace kernels
}  // namespace sconce
