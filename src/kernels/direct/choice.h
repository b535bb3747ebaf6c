// The fixed rule of which loops do a float32 convolution: it looks at sizes, at the instruction set and, for
// the backward passes, at how much of the gradient is zero. Never at the clock.
#pragma once

#include <cstdint>

#include "kernels/conv_sizes.h"
#include "sconce/core/array.h"

namespace sconce::kernels::direct {

enum class Loops : std::uint8_t {
  kOther,   // oneDNN or the plain loops
  kDense,   // conv.h
  kSparse,  // conv_sparse.h
};

Loops forward_loops(const ConvSizes& sizes);
Loops backward_input_loops(const ConvSizes& sizes, const Array& grad);
Loops backward_weight_loops(const ConvSizes& sizes, const Array& grad);

}  // namespace sconce::kernels::direct
