// One step of stochastic gradient descent in a single pass over memory.
#pragma once

#include "sconce/core/array.h"

namespace sconce::kernels {

struct SgdRule {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;
};

// Updates `param` and its momentum `buffer` from `grad`, with the bits of PyTorch's SGD. The arrays are
// float32 or float64, contiguous, of one dtype and shape; `buffer` may be undefined when rule.momentum is 0,
// and its old content is ignored when `is_first`. Errors: kDTypeMismatch, kShapeMismatch, kInvalidArgument
// for arrays that are not contiguous.
void sgd_step(Array& param, const Array& grad, Array& buffer, bool is_first, const SgdRule& rule);

}  // namespace sconce::kernels
