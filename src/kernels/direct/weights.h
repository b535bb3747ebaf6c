// Weights in the order in which tiles.h reads them.
#pragma once

#include <cstdint>
#include <vector>

namespace sconce::kernels::direct {

// From groups x channels x terms to groups x terms x channels.
inline std::vector<float> transposed(const float* weight, std::int64_t groups, std::int64_t channels,
                                     std::int64_t terms) {
  std::vector<float> out(static_cast<std::size_t>(groups * channels * terms));
  for (std::int64_t g = 0; g < groups; ++g) {
    float* to = out.data() + g * channels * terms;
    for (std::int64_t c = 0; c < channels; ++c, weight += terms) {
      for (std::int64_t t = 0; t < terms; ++t) to[t * channels + c] = weight[t];
    }
  }
  return out;
}

}  // namespace sconce::kernels::direct
