// Dropout.
#pragma once

#include "sconce/kernels/random.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

// In training, zeroes each element with probability p and divides the others by 1 - p; otherwise x itself.
// Draws what PyTorch draws: two outputs of the generator an element, none when p is 0 or 1. Floating x only
// (Error kDTypeMismatch); Error kInvalidArgument unless 0 <= p <= 1.
Tensor dropout(const Tensor& x, double p = 0.5, bool training = true,
               Generator& generator = default_generator());

}  // namespace sconce
