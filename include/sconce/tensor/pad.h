// Padding.
#pragma once

#include "sconce/kernels/pad.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

// x with its last dimensions padded: `pads` is {left, right, top, bottom, ...}, from the last dimension on,
// as in PyTorch; negative pads crop. `value` fills the outside of PadMode::kConstant. Twice differentiable.
// Errors: kInvalidArgument, kShapeMismatch, kDTypeMismatch.
Tensor pad(const Tensor& x, const Dims& pads, PadMode mode = PadMode::kConstant, double value = 0);

}  // namespace sconce
