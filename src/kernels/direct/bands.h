// Cuts a convolution into pieces that fit the cache.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/conv_sizes.h"

namespace sconce::kernels::direct {

struct Band {
  std::int64_t first, rows;
};

// `height` rows in `count` bands of `rows` rows, the last one perhaps shorter.
struct Bands {
  std::int64_t height, rows, count;
  Band at(std::int64_t i) const { return {i * rows, std::min(rows, height - i * rows)}; }
};

// Bands of which each takes about kBandBytes when a row takes `row_bytes`.
constexpr std::int64_t kBandBytes = 128 << 10;
inline Bands bands_of(std::int64_t height, std::int64_t row_bytes) {
  const std::int64_t fitting = std::max<std::int64_t>(4, kBandBytes / std::max<std::int64_t>(row_bytes, 1));
  const std::int64_t count = (height + fitting - 1) / fitting;
  const std::int64_t rows = (height + count - 1) / count;
  return {height, rows, (height + rows - 1) / rows};
}

// Bands of output rows by what the image's rows and the output's take.
inline Bands image_bands(const ConvSizes& s) {
  const std::int64_t columns = s.in.w + 2 * s.params.padding.w;
  return bands_of(s.out.h, (s.group_in() * s.params.stride.h + s.group_out()) * columns *
                               static_cast<std::int64_t>(sizeof(float)));
}

// `count` or a little more: a multiple of `step`.
constexpr std::int64_t round_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}

// How many of `units` equal parts of a pass one thread takes at least.
inline std::int64_t unit_grain(const ConvSizes& s, std::int64_t units) {
  constexpr double kWorthAThread = 4e6;  // multiplications, some 100 us: far above what waking a thread costs
  const double each = s.work() / static_cast<double>(units);
  return static_cast<std::int64_t>(std::clamp(kWorthAThread / std::max(each, 1.0), 1.0, 1e9));
}

}  // namespace sconce::kernels::direct
