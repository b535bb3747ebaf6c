// Copies planes of an image into the form that tiles.h wants: zeros around, and pixels that a stride keeps
// apart laid side by side.
#pragma once

#include <cstdint>

#include "sconce/kernels/window.h"

namespace sconce::kernels::direct {

// Pixel (y, x) of an image stands at (y + before.h, x + before.w) of a larger image of zeros, which `step`
// cuts into phases: phase (a, b) holds the places (j * step.h + a, i * step.w + b) for 0 <= j < count.h, 0 <=
// i < count.w.
struct Packing {
  Pair size = 0;    // of the image
  Pair before = 0;  // may be negative: then the image's first rows or columns are left out
  Pair step = 1;
  Pair phases = 1;  // how many of them, from the first, in each direction
  Pair count = 0;   // of one phase

  std::int64_t plane() const { return count.h * count.w; }
  // Floats that one plane of the image becomes.
  std::int64_t packed() const { return phases.h * phases.w * plane(); }
};

// Packs `planes` planes of the image, one after the other.
void pack(const float* image, std::int64_t planes, const Packing& packing, float* out);

}  // namespace sconce::kernels::direct
