// The loops of the backward passes over a gradient that is mostly zeros, as max-pooling and ReLU leave it:
// only what is not zero is looked at. Here an image lies pixel by pixel, its channels side by side, so that a
// row of the kernel is one run of floats. Runs are cut into vectors; a vector may pass the end of its run.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/direct/tiles.h"

namespace sconce::kernels::direct {

// Floats of one vector in the instruction set in use.
std::int64_t vector_lanes();

// Appends to `places` and `values` what is not zero in `plane`: element i has place first + place_of[i]. Both
// have room for `count` + kSlack more. Returns how many there were.
std::int64_t append_nonzeros(const float* plane, std::int64_t count, std::int32_t first,
                             const std::int32_t* place_of, std::int32_t* places, float* values);

// out[j * lanes + l] = sum over e < count of values[e] * source[places[e] + offsets[j] + l], for 0 <= j <
// vectors.
struct RunSums {
  const float* source;
  const std::int32_t* places;
  const float* values;
  std::int64_t count;
  const std::int64_t* offsets;
  std::int64_t vectors;
  float* out;
};
void sum_runs(const RunSums& task);

// target[i * step + offsets[j] + l] += sum over c of grad[i * grad_stride + c] * weights[(c * vectors + j) *
// lanes + l] for the pixels 0 <= i < count. Offsets ascend, and runs of one pixel do not overlap; where a
// vector passes the end of its run, the weights are zero. `grad_stride` is a multiple of lanes, filled up
// with zeros. False, and nothing that can be used, when a gradient is infinite or NaN: past the end of a run
// it would not come to nothing.
struct Spread {
  const float* grad;
  std::int64_t grad_stride;
  std::int64_t count;
  const float* weights;
  const std::int64_t* offsets;
  std::int64_t vectors;
  float* target;
  std::int64_t step;
};
bool spread(const Spread& task);

}  // namespace sconce::kernels::direct
