// An image pixel by pixel, as sparse_tiles.h reads it, and the runs of floats that a kernel's rows are there.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv_sizes.h"

namespace sconce::kernels::direct {

// (H + 2 PH, W + 2 PW, C / groups): one group of the padded image.
struct Pixels {
  Pair in = 0;
  Pair before = 0;
  Pair size = 0;  // rows, columns
  Pair step = 1;  // from one output's window to the next
  std::int64_t channels = 0;

  std::int64_t numel() const { return size.h * size.w * channels; }
  // Where the window of output (y, x) begins.
  std::int64_t place(std::int64_t y, std::int64_t x) const {
    return (y * step.h * size.w + x * step.w) * channels;
  }
  // From (C / groups, H, W) into `out`, zeros around.
  void pack(const float* planes, float* out) const;
  // From `from` into (C / groups, H, W); the padding is dropped.
  void unpack(const float* from, float* planes) const;
};

Pixels pixels_of(const ConvSizes& sizes);

// A kernel as vectors of `lanes` floats that lie over a window of Pixels.
struct Runs {
  std::vector<std::int64_t> offsets;  // of each vector, ascending
  std::vector<std::int64_t> weights;  // of each float: (c * KH + ky) * KW + kx, or -1 past the end of a run
  std::int64_t vectors() const { return static_cast<std::int64_t>(offsets.size()); }
};

Runs runs_of(const ConvSizes& sizes, const Pixels& pixels, std::int64_t lanes);

}  // namespace sconce::kernels::direct
