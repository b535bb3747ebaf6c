// The common rule of SGD in vectors: momentum, no weight decay, not Nesterov's.
#pragma once

#include <cstdint>

namespace sconce::kernels {

struct MomentumFactors {
  float sign, momentum, fresh, step;  // momentum 0 to 1, step -1 to 1
};

// For each of the first elements buffer = fma(fresh, sign * grad, buffer * momentum), then
// param = fma(step, buffer, param); says how many that were, and leaves the rest.
std::int64_t momentum_step(float* param, const float* grad, float* buffer, std::int64_t count,
                           const MomentumFactors& by);

}  // namespace sconce::kernels
