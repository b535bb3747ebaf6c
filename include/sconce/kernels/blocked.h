// Images in blocks of channels: (N, C, H, W) kept as (N, C / B, H, W, B), so that one vector register holds a
// pixel of a block. Convolutions of many channels are fastest there, and what stands between them (batch
// normalisation, pooling, everything elementwise) works on blocks as well as on planes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sconce/core/array.h"
#include "sconce/kernels/batch_norm.h"
#include "sconce/kernels/conv.h"
#include "sconce/kernels/pool.h"

namespace sconce::kernels::blocked {

// B: as many float32 as a vector register holds, 16 or 8; 0 where there are no such registers.
std::int64_t block_size();
// Whether an image of this shape (N, C, H, W) can stand in blocks.
bool fits(const Shape& image);
// (N, C, H, W) of an array (N, C / B, H, W, B).
Shape plain_shape(const Array& blocked);

// From (N, C, H, W) with any strides, which must fit, and back: float32, or int32 (places of maxima).
Array from_plain(const Array& image);
Array to_plain(const Array& blocked);

// Whether a convolution of an image of this shape (N, C, H, W) gives its result in blocks: a fixed rule of
// dtype, shapes, instruction set and backend().
bool takes_conv2d(DType dtype, const Shape& image, const Shape& weight, const Conv2dParams& params);

// As the functions of sconce/kernels/conv.h, for what takes_conv2d() takes. Images and gradients may stand in
// blocks or not, as their rank says. Results stand in blocks, but for weights, biases and the gradient of an
// image that does not fit; they are undefined where oneDNN has no fast code.
// `is_inference` keeps the weight in the order that is computed with beside it, until somebody writes there.
Array conv2d(const Array& image, const Array& weight, const Array& bias, const Conv2dParams& params,
             bool is_inference = false);
Array conv2d_backward_input(const Array& grad, const Array& weight, const Shape& image_shape,
                            const Conv2dParams& params);
Array conv2d_backward_weight(const Array& grad, const Array& image, const Shape& weight_shape,
                             const Conv2dParams& params);
Array conv2d_backward_bias(const Array& grad);

// What stands between two convolutions, in one pass over memory: relu(first + second).
struct Joined {
  struct Term {
    Array image;                      // float32, in blocks
    std::vector<float> scale, shift;  // of each channel: image * scale + shift; both empty: the image
  };
  Term first;
  std::optional<Term> second;  // an image of the same shape
  bool has_relu = false;
};
// The bits are those of one operation after the other. An image whose memory nobody else holds is overwritten
// with the result: `joined` is spent then.
Array evaluate(Joined& joined);

// As the functions of sconce/kernels/batch_norm.h, with the same errors.
BatchNormStatistics batch_norm_statistics(const Array& input, double eps);
Joined::Term batch_norm_term(const Array& input, const Array& mean, const Array& inverse_deviation,
                             const Array& weight, const Array& bias);
// The gradient of the image is made in the memory of `grad` where nobody else holds it.
BatchNormGradients batch_norm_backward(Array grad, const Array& input, const Array& mean,
                                       const Array& inverse_deviation, const Array& weight, bool training);

// As the functions of sconce/kernels/pool.h, with the same errors; the places of the maxima stand in blocks,
// too.
MaxPool2dResult max_pool2d(const Array& image, const Window& window, bool ceil_mode);
Array max_pool2d_backward(const Array& grad, const Array& places, const Shape& image_shape);
Array max_pool2d_gather(const Array& image, const Array& places);
Array avg_pool2d(const Array& image, const AvgPool2dParams& params);
Array avg_pool2d_backward(const Array& grad, const Shape& image_shape, const AvgPool2dParams& params);
Array adaptive_avg_pool2d(const Array& image, Pair out);
Array adaptive_avg_pool2d_backward(const Array& grad, const Shape& image_shape);

}  // namespace sconce::kernels::blocked
