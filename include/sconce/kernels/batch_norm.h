// Batch normalisation over every dimension but the second, and its gradient.
#pragma once

#include "sconce/core/array.h"

namespace sconce::kernels {

// Arrays are (N, C, ...), float32 or float64, with any strides; statistics are (C,) of the same dtype and are
// gathered in double. Errors: kShapeMismatch, kDTypeMismatch.

struct BatchNormStatistics {
  Array mean;               // of the batch
  Array variance;           // biased: divided by the number of values per channel
  Array inverse_deviation;  // 1 / sqrt(variance + eps), rounded once
};
// Statistics of `input` per channel. Error kInvalidArgument when a channel has no value.
BatchNormStatistics batch_norm_statistics(const Array& input, double eps);

// running = (1 - momentum) * running + momentum * value, with the unbiased variance (n / (n - 1)), n being
// the number of values per channel.
void batch_norm_update(Array& running_mean, Array& running_variance, const BatchNormStatistics& statistics,
                       std::int64_t count, double momentum);

// (input - mean) * inverse_deviation * weight + bias; weight and bias may be undefined.
Array batch_norm_apply(const Array& input, const Array& mean, const Array& inverse_deviation,
                       const Array& weight, const Array& bias);

struct BatchNormGradients {
  Array input, weight, bias;
};
// Gradients of batch_norm_apply. `training` says that mean and deviation came from this very input.
BatchNormGradients batch_norm_backward(const Array& grad, const Array& input, const Array& mean,
                                       const Array& inverse_deviation, const Array& weight, bool training);

// 1 / sqrt(variance + eps), computed in double.
Array inverse_deviation(const Array& variance, double eps);

// The same, one value after the other and each sum in double: the oracle of these and of those in blocks.
namespace reference {
BatchNormStatistics batch_norm_statistics(const Array& input, double eps);
Array batch_norm_apply(const Array& input, const Array& mean, const Array& inverse_deviation,
                       const Array& weight, const Array& bias);
BatchNormGradients batch_norm_backward(const Array& grad, const Array& input, const Array& mean,
                                       const Array& inverse_deviation, const Array& weight, bool training);
}  // namespace reference

}  // namespace sconce::kernels
