#include "kernels/direct/pixels.h"

#include <algorithm>

namespace sconce::kernels::direct {

Pixels pixels_of(const ConvSizes& s) {
  const Pair& padding = s.params.padding;
  return {s.in,
          padding,
          {s.in.h + 2 * padding.h, s.in.w + 2 * padding.w},
          s.params.stride,
          s.group_in()};
}

void Pixels::pack(const float* planes, float* out) const {
  const std::int64_t row = size.w * channels;
  if (size != in) std::fill(out, out + numel(), 0.0F);
  for (std::int64_t y = 0; y < in.h; ++y) {
    float* to = out + (y + before.h) * row + before.w * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      const float* from = planes + (c * in.h + y) * in.w;
      for (std::int64_t x = 0; x < in.w; ++x) to[x * channels + c] = from[x];
    }
  }
}

void Pixels::unpack(const float* from, float* planes) const {
  const std::int64_t row = size.w * channels;
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t y = 0; y < in.h; ++y) {
      const float* pixel = from + (y + before.h) * row + before.w * channels + c;
      for (std::int64_t x = 0; x < in.w; ++x) *planes++ = pixel[x * channels];
    }
  }
}

Runs runs_of(const ConvSizes& s, const Pixels& pixels, std::int64_t lanes) {
  const Pair& dilation = s.params.dilation;
  const std::int64_t channels = pixels.channels;
  // Neighbouring taps make one run.
  const std::int64_t together = dilation.w == 1 ? s.kernel.w : 1;
  const std::int64_t length = together * channels;
  Runs runs;
  for (std::int64_t ky = 0; ky < s.kernel.h; ++ky) {
    for (std::int64_t first = 0; first < s.kernel.w; first += together) {
      for (std::int64_t i = 0; i < length; i += lanes) {
        runs.offsets.push_back((ky * dilation.h * pixels.size.w + first * dilation.w) * channels + i);
        for (std::int64_t q = i; q < i + lanes; ++q) {
          const std::int64_t c = q % channels;
          runs.weights.push_back(q < length ? (c * s.kernel.h + ky) * s.kernel.w + first + q / channels : -1);
        }
      }
    }
  }
  return runs;
}

}  // namespace sconce::kernels::direct
