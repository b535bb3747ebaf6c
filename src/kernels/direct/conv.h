// Float32 convolution for few channels, where oneDNN would fill its blocks of 16 with zeros: the image lies
// in cache, padded, and every tap of the kernel is one shifted row of it times one weight.
#pragma once

#include "kernels/conv_sizes.h"
#include "sconce/core/array.h"

namespace sconce::kernels::direct {

// As the functions of sconce/kernels/conv.h. Which bits come out does not depend on the number of threads.
Array conv2d(const ConvSizes& sizes, const Array& image, const Array& weight, const Array& bias);
Array conv2d_backward_input(const ConvSizes& sizes, const Array& grad, const Array& weight);
// Undefined when a number of the result is not finite: zeros beside the image stand for nothing in these
// loops, and times infinity they would not be nothing. The caller then takes another way.
Array conv2d_backward_weight(const ConvSizes& sizes, const Array& grad, const Array& image);

}  // namespace sconce::kernels::direct
