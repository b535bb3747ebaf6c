// The sizes of an image in blocks (sconce/kernels/blocked.h), and sums over its channels.
#pragma once

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

// For every channel the sum of term(channel, index of a float), in double. The order of summation does not
// depend on the number of threads.
template <class Term>
std::vector<double> channel_sums(const Blocks& s, const Term& term) {
  const std::int64_t channels = s.channels();
  std::vector<double> parts(static_cast<std::size_t>(s.batch * channels));
  for_each_block(s, [&](auto block, std::int64_t channel, std::int64_t first) SCONCE_ALWAYS_INLINE {
    constexpr int kBlock = decltype(block)::value;
    double even[kBlock] = {};
    double odd[kBlock] = {};
    std::int64_t i = first;
    const std::int64_t end = first + s.plane * kBlock;
    constexpr std::int64_t kStep = 2 * std::int64_t{kBlock};
    for (; i + kStep <= end; i += kStep) {
      for (int c = 0; c < kBlock; ++c) even[c] += term(channel + c, i + c);
      for (int c = 0; c < kBlock; ++c) odd[c] += term(channel + c, i + kBlock + c);
    }
    for (; i < end; i += kBlock) {
      for (int c = 0; c < kBlock; ++c) even[c] += term(channel + c, i + c);
    }
    double* out = parts.data() + first / (s.plane * channels) * channels + channel;
    for (int c = 0; c < kBlock; ++c) out[c] = even[c] + odd[c];
  });
  std::vector<double> sums(parts.begin(), parts.begin() + (s.batch > 0 ? channels : 0));
  sums.resize(static_cast<std::size_t>(channels));
  for (std::int64_t n = 1; n < s.batch; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) sums[c] += parts[n * channels + c];
  }
  return sums;
}

}  // namespace sconce::kernels::blocked
