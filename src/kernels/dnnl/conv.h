// Float32 convolution by oneDNN. Every function returns an undefined Array when oneDNN has no fast code for
// the shape: the caller then takes the plain loops. The choice depends on the shape and on backend() alone.
#pragma once

#include <cstdint>

#include "kernels/conv_sizes.h"
#include "sconce/core/array.h"

namespace sconce::kernels::onednn {

// For whom a forward pass is: inference keeps the weight in oneDNN's order with the weight's storage, as long
// as nothing is written there.
enum class Use : std::uint8_t { kTraining, kInference };

// Images and gradients may stand in blocks (sconce/kernels/blocked.h), which their rank says; a result does
// where `block`, the channels of one, is not 0.
Array conv2d(const ConvSizes& sizes, const Array& image, const Array& weight, const Array& bias,
             std::int64_t block = 0, Use use = Use::kTraining);
Array conv2d_backward_input(const ConvSizes& sizes, const Array& grad, const Array& weight,
                            std::int64_t block = 0);
Array conv2d_backward_weight(const ConvSizes& sizes, const Array& grad, const Array& image);

}  // namespace sconce::kernels::onednn
