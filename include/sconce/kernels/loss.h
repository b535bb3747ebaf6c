// The negative log likelihood loss and its gradient.
#pragma once

#include "sconce/core/array.h"

namespace sconce {

// What a loss does with its values: leaves them, averages them, adds them up.
enum class Reduction : std::uint8_t { kNone, kMean, kSum };

// The class index that losses skip unless told otherwise.
inline constexpr std::int64_t kIgnoreIndex = -100;

namespace kernels {

// log_probabilities (N, C, ...) or (C,); target int64 (N, ...) or (); weight (C,) or undefined. Sums run in
// double. Errors: kShapeMismatch, kDTypeMismatch, kIndexOutOfRange for a target that is no class.

struct NllLossResult {
  Array loss;          // target's shape for kNone, else 0-d
  Array total_weight;  // 0-d: the weights of the targets that count
};
// -weight[target] * log_probabilities[target]; targets equal to `ignore_index` count as 0. kMean divides by
// the total weight.
NllLossResult nll_loss(const Array& log_probabilities, const Array& target, const Array& weight,
                       Reduction reduction, std::int64_t ignore_index);
// Gradient with respect to log_probabilities of shape `shape`.
Array nll_loss_backward(const Array& grad, const Shape& shape, const Array& target, const Array& weight,
                        const Array& total_weight, Reduction reduction, std::int64_t ignore_index);

}  // namespace kernels
}  // namespace sconce
