// Limits for gradients, applied between backward() and step().
#pragma once

#include <vector>

#include "sconce/tensor/tensor.h"

namespace sconce::optim {

struct ClipNormOptions {
  double norm_type = 2;  // p of the p-norm; infinity for the largest absolute value
  bool error_if_nonfinite = false;
};

// Scales the gradients of `parameters` in place so that their norm, taken together as one vector, does not
// exceed max_norm: by min(1, max_norm / (norm + 1e-6)). Returns the norm there was. Error kNumeric, when
// asked for, if it is not finite; nothing has changed then.
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm,
                      const ClipNormOptions& options = {});

// Limits every element of the gradients to [-clip_value, clip_value].
void clip_grad_value(const std::vector<Tensor>& parameters, double clip_value);

}  // namespace sconce::optim
