// Float32 convolution by oneDNN. Every function returns an undefined Array when oneDNN has no fast code for
// the shape: the caller then takes the plain loops. The choice depends on the shape alone.
#pragma once

#include "kernels/conv_sizes.h"
#include "sconce/core/array.h"

namespace sconce::kernels::onednn {

Array conv2d(const ConvSizes& sizes, const Array& image, const Array& weight, const Array& bias);
Array conv2d_backward_input(const ConvSizes& sizes, const Array& grad, const Array& weight);
Array conv2d_backward_weight(const ConvSizes& sizes, const Array& grad, const Array& image);

}  // namespace sconce::kernels::onednn
