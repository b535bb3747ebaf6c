// Softmax and its logarithm along one dimension, and their gradients.
#pragma once

#include "sconce/core/array.h"

namespace sconce::kernels {

// Arrays are float32 or float64 with any strides; `dim` may count from the end (Error kIndexOutOfRange); sums
// run in double.

// exp(x) / sum(exp(x)) along `dim`.
Array softmax(const Array& input, std::int64_t dim);
// x - log(sum(exp(x))) along `dim`.
Array log_softmax(const Array& input, std::int64_t dim);
// Gradients, from the results of the above: output * (grad - sum(grad * output)).
Array softmax_backward(const Array& grad, const Array& output, std::int64_t dim);
// grad - exp(output) * sum(grad).
Array log_softmax_backward(const Array& grad, const Array& output, std::int64_t dim);

}  // namespace sconce::kernels
