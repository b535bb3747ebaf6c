#include "kernels/direct/pixels.h"

#include <algorithm>
#include <utility>

namespace sconce::kernels::direct {

Pixels pixels_of(const ConvSizes& s) {
  const Pair& padding = s.params.padding;
  return {s.in, padding, {s.in.h + 2 * padding.h, s.in.w + 2 * padding.w}, s.params.stride, s.group_in()};
}

namespace {

// Rows of `channels` planes, side by side and pixel by pixel: out[x * channels + c] = row of plane c [x], and
// back.
template <std::int64_t kChannels>
void interleave_row(const float* row, std::int64_t plane, std::int64_t width, std::int64_t channels,
                    float* out) {
  const std::int64_t n = kChannels > 0 ? kChannels : channels;
  for (std::int64_t x = 0; x < width; ++x, out += n) {
    for (std::int64_t c = 0; c < n; ++c) out[c] = row[c * plane + x];
  }
}

template <std::int64_t kChannels>
void separate_row(const float* from, std::int64_t plane, std::int64_t width, std::int64_t channels,
                  float* row) {
  const std::int64_t n = kChannels > 0 ? kChannels : channels;
  for (std::int64_t x = 0; x < width; ++x, from += n) {
    for (std::int64_t c = 0; c < n; ++c) row[c * plane + x] = from[c];
  }
}

// A known number of channels is unrolled.
using Interleave = void (*)(const float*, std::int64_t, std::int64_t, std::int64_t, float*);

template <std::int64_t... kChannels>
Interleave interleave_for(std::int64_t channels, std::integer_sequence<std::int64_t, kChannels...>) {
  static constexpr Interleave kTable[] = {&interleave_row<kChannels>...};
  return kTable[channels < static_cast<std::int64_t>(sizeof...(kChannels)) ? channels : 0];
}

template <std::int64_t... kChannels>
Interleave separate_for(std::int64_t channels, std::integer_sequence<std::int64_t, kChannels...>) {
  static constexpr Interleave kTable[] = {&separate_row<kChannels>...};
  return kTable[channels < static_cast<std::int64_t>(sizeof...(kChannels)) ? channels : 0];
}

using Known = std::make_integer_sequence<std::int64_t, 17>;

}  // namespace

void Pixels::pack(const float* planes, float* out) const {
  const Interleave interleave = interleave_for(channels, Known());
  if (size != in) std::fill(out, out + numel(), 0.0F);
  for (std::int64_t y = 0; y < in.h; ++y) {
    interleave(planes + y * in.w, in.h * in.w, in.w, channels,
               out + ((y + before.h) * size.w + before.w) * channels);
  }
}

void Pixels::unpack(const float* from, float* planes) const {
  const Interleave separate = separate_for(channels, Known());
  for (std::int64_t y = 0; y < in.h; ++y) {
    separate(from + ((y + before.h) * size.w + before.w) * channels, in.h * in.w, in.w, channels,
             planes + y * in.w);
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
