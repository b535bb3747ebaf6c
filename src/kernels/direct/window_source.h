// The image as the forward pass and the weight's gradient read it: a tap (channel, ky, kx) is one offset.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv_sizes.h"
#include "kernels/direct/pack.h"
#include "kernels/direct/tiles.h"

namespace sconce::kernels::direct {

struct WindowSource {
  Packing packing;                    // of a band that begins at output row 0
  std::vector<std::int64_t> offsets;  // group_in x KH x KW
  std::int64_t channels;
  std::int64_t size;  // floats of one band, the slack among them

  // Packs what output rows from `first` on look at.
  void pack(const float* image, std::int64_t first, float* out) const {
    Packing moved = packing;
    moved.before.h -= first * packing.step.h;
    direct::pack(image, channels, moved, out);
  }
};

// For bands of `rows` output rows; position (y, x) of the output is y * packing.count.w + x.
inline WindowSource window_source(const ConvSizes& s, std::int64_t rows) {
  const Conv2dParams& p = s.params;
  const auto reach = [](std::int64_t kernel, std::int64_t dilation, std::int64_t step) {
    return (kernel - 1) * dilation / step;
  };
  // Where all taps fall on the first phase, the others are not looked at.
  const auto phases = [](std::int64_t kernel, std::int64_t dilation, std::int64_t step) {
    return kernel == 1 || dilation % step == 0 ? 1 : step;
  };
  WindowSource source;
  source.packing.size = s.in;
  source.packing.before = p.padding;
  source.packing.step = p.stride;
  source.packing.phases = {phases(s.kernel.h, p.dilation.h, p.stride.h),
                           phases(s.kernel.w, p.dilation.w, p.stride.w)};
  source.packing.count = {rows + reach(s.kernel.h, p.dilation.h, p.stride.h),
                          s.out.w + reach(s.kernel.w, p.dilation.w, p.stride.w)};
  source.channels = s.group_in();
  source.size = source.channels * source.packing.packed() + kSlack;
  for (std::int64_t c = 0; c < source.channels; ++c) {
    for (std::int64_t ky = 0; ky < s.kernel.h; ++ky) {
      const std::int64_t y = ky * p.dilation.h;
      for (std::int64_t kx = 0; kx < s.kernel.w; ++kx) {
        const std::int64_t x = kx * p.dilation.w;
        const std::int64_t phase = y % p.stride.h * source.packing.phases.w + x % p.stride.w;
        source.offsets.push_back(c * source.packing.packed() + phase * source.packing.plane() +
                                 y / p.stride.h * source.packing.count.w + x / p.stride.w);
      }
    }
  }
  return source;
}

}  // namespace sconce::kernels::direct
