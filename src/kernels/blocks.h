// The sizes of an image in blocks (sconce/kernels/blocked.h), and sums over its channels.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "kernels/multiversion.h"
#include "sconce/base/parallel.h"
#include "sconce/core/array.h"

namespace sconce::kernels::blocked {

struct Blocks {
  std::int64_t batch = 0, blocks = 0, plane = 0, block = 0;
  std::int64_t channels() const { return blocks * block; }
  std::int64_t count() const { return batch * plane; }  // values of a channel
};

// Error kShapeMismatch unless `image` is (N, C / B, H, W, B) with B 8 or 16, kDTypeMismatch for another
// dtype, kInvalidArgument unless contiguous.
inline Blocks blocks_of(const Array& image, std::string_view where, DType dtype = kFloat32) {
  const Shape& shape = image.shape();
  require(shape.size() == 5 && (shape[4] == 8 || shape[4] == 16), ErrorCode::kShapeMismatch, where,
          "expected an image in blocks (N, C / B, H, W, B) with B 8 or 16, found ", shape);
  require(image.dtype() == dtype, ErrorCode::kDTypeMismatch, where, "expected ", dtype, ", found ",
          image.dtype());
  require(image.is_contiguous(), ErrorCode::kInvalidArgument, where, "expected blocks without gaps");
  return {shape[0], shape[1], shape[2] * shape[3], shape[4]};
}

// Calls body(integral_constant<int, B>).
template <class Body>
void visit_block(std::int64_t block, const Body& body) {
  if (block == 8) return body(std::integral_constant<int, 8>{});
  body(std::integral_constant<int, 16>{});
}

// Calls body(integral_constant B, first channel, first float) for every block of every image, over threads.
template <class Body>
void for_each_block(const Blocks& s, const Body& body) {
  const std::int64_t count = s.batch * s.blocks;
  const std::int64_t size = s.plane * s.block;
  const auto bytes = static_cast<std::uint64_t>(count * size) * sizeof(float);
  visit_block(s.block, [&](auto block) {
    parallel_for(count, grain_for_bytes(count, bytes), [&](std::int64_t begin, std::int64_t end) {
      multiversion([&]() SCONCE_ALWAYS_INLINE {
        for (std::int64_t i = begin; i < end; ++i) body(block, i % s.blocks * s.block, i * size);
      });
    });
  });
}

// Adds term(channel, index) of the pixels [begin, end) of a block, every second one for itself.
template <int kBlock, class Term>
SCONCE_ALWAYS_INLINE inline void add_pixels(const Term& term, std::int64_t channel, std::int64_t begin,
                                            std::int64_t end, double* even_sums, double* odd_sums) {
  double even[kBlock];
  double odd[kBlock];
  std::copy_n(even_sums, kBlock, even);
  std::copy_n(odd_sums, kBlock, odd);
  std::int64_t i = begin;
  constexpr std::int64_t kStep = 2 * std::int64_t{kBlock};
  for (; i + kStep <= end; i += kStep) {
    for (int c = 0; c < kBlock; ++c) even[c] += term(channel + c, i + c);
    for (int c = 0; c < kBlock; ++c) odd[c] += term(channel + c, i + kBlock + c);
  }
  for (; i < end; i += kBlock) {
    for (int c = 0; c < kBlock; ++c) even[c] += term(channel + c, i + c);
  }
  std::copy_n(even, kBlock, even_sums);
  std::copy_n(odd, kBlock, odd_sums);
}

// For every channel and each of the terms the sum of term(channel, index of a float), in double, in one pass
// over memory. The order of summation depends neither on the number of threads nor on other terms.
template <class... Terms>
std::array<std::vector<double>, sizeof...(Terms)> channel_sums(const Blocks& s, const Terms&... terms) {
  constexpr std::size_t kCount = sizeof...(Terms);
  constexpr std::int64_t kPixels = 128;  // that stay in the cache from one term to the next; even
  const std::int64_t channels = s.channels();
  const std::int64_t stride = s.batch * channels;
  std::vector<double> parts(kCount * static_cast<std::size_t>(stride));
  for_each_block(s, [&](auto block, std::int64_t channel, std::int64_t first) SCONCE_ALWAYS_INLINE {
    constexpr int kBlock = decltype(block)::value;
    double even[kCount][kBlock] = {};
    double odd[kCount][kBlock] = {};
    const std::int64_t last = first + s.plane * kBlock;
    for (std::int64_t begin = first; begin < last; begin += kPixels * kBlock) {
      const std::int64_t end = std::min(begin + kPixels * kBlock, last);
      std::size_t t = 0;
      ((add_pixels<kBlock>(terms, channel, begin, end, even[t], odd[t]), ++t), ...);
    }
    double* out = parts.data() + first / (std::max<std::int64_t>(s.plane, 1) * channels) * channels + channel;
    for (std::size_t t = 0; t < kCount; ++t, out += stride) {
      for (int c = 0; c < kBlock; ++c) out[c] = even[t][c] + odd[t][c];
    }
  });
  std::array<std::vector<double>, kCount> sums;
  for (std::size_t t = 0; t < kCount; ++t) {
    sums[t].resize(static_cast<std::size_t>(channels));
    const double* part = parts.data() + static_cast<std::int64_t>(t) * stride;
    for (std::int64_t i = 0; i < stride; ++i) sums[t][i % channels] += part[i];
  }
  return sums;
}

}  // namespace sconce::kernels::blocked
