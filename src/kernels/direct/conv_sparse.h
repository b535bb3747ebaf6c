// The backward passes of a convolution by what is not zero in the gradient.
#pragma once

#include "kernels/conv_sizes.h"
#include "sconce/core/array.h"

namespace sconce::kernels::direct {

// As the functions of sconce/kernels/conv.h. What is zero in `grad` takes no part, whatever it would be
// multiplied with. Which bits come out does not depend on the number of threads. Undefined when a gradient is
// infinite or NaN; the caller then takes another way.
Array sparse_backward_input(const ConvSizes& sizes, const Array& grad, const Array& weight);
Array sparse_backward_weight(const ConvSizes& sizes, const Array& grad, const Array& image);

}  // namespace sconce::kernels::direct
