// Softmax and its logarithm.
#pragma once

#include "sconce/tensor/tensor.h"

namespace sconce {

// exp(x) / sum(exp(x)) along `dim`, for float32 and float64. Errors: kIndexOutOfRange, kDTypeMismatch.
Tensor softmax(const Tensor& x, std::int64_t dim);
// log(softmax(x, dim)), without its loss of digits.
Tensor log_softmax(const Tensor& x, std::int64_t dim);

}  // namespace sconce
