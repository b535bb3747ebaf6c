#include "kernels/direct/tiles.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/isa.h"

// In this order:
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/direct/tiles.cpp"
#include "kernels/isa_targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace sconce::kernels::direct::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Lanes = hn::CappedTag<float, kCountStep>;
using Vector = hn::Vec<Lanes>;
constexpr std::int64_t kLanes = hn::MaxLanes(Lanes());

// AVX-512 has 32 registers, the others 16.
constexpr int kRegisters = HWY_MAX_BYTES >= 64 ? 32 : 16;

// ---- correlate: a tile is `kChannels` x `kVectors` sums held in registers.

constexpr int kBlock = kRegisters == 32 ? 8 : 4;
constexpr int kSums = kRegisters * 3 / 4;

// Vectors side by side for a number of channels.
constexpr int vectors_for(int channels) { return std::min(kSums / channels, 8); }

template <int kChannels, int kVectors>
void correlate_tile(const Correlation& task, const float* HWY_RESTRICT weights,
                    const float* HWY_RESTRICT bias, const float* HWY_RESTRICT source,
                    float* HWY_RESTRICT out) {
  const Lanes d;
  Vector sums[kChannels][kVectors];
  for (int c = 0; c < kChannels; ++c) {
    for (int v = 0; v < kVectors; ++v) sums[c][v] = hn::Set(d, bias[c]);
  }
  for (std::int64_t t = 0; t < task.terms; ++t) {
    const float* HWY_RESTRICT from = source + task.offsets[t];
    Vector x[kVectors];
    for (int v = 0; v < kVectors; ++v) x[v] = hn::LoadU(d, from + v * kLanes);
    for (int c = 0; c < kChannels; ++c) {
      const Vector w = hn::Set(d, weights[c]);
      for (int v = 0; v < kVectors; ++v) sums[c][v] = hn::MulAdd(x[v], w, sums[c][v]);
    }
    weights += task.channels;
  }
  for (int c = 0; c < kChannels; ++c) {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sums[c][v], d, out + c * task.out_stride + v * kLanes);
  }
}

using CorrelateTile = void (*)(const Correlation&, const float*, const float*, const float*, float*);

// The tile of every width for a number of channels; [0] is never called.
template <int kChannels, int... kVectors>
constexpr std::array<CorrelateTile, 9> tile_row(std::integer_sequence<int, kVectors...>) {
  return {nullptr, &correlate_tile<kChannels, kVectors + 1>...};
}

template <int... kChannels>
constexpr auto tile_table(std::integer_sequence<int, kChannels...>) {
  return std::array{
      tile_row<kChannels + 1>(std::make_integer_sequence<int, vectors_for(kChannels + 1)>())...};
}

void correlate(const Correlation& task) {
  static constexpr auto kTiles = tile_table(std::make_integer_sequence<int, kBlock>());
  const std::int64_t vectors = (task.count + kLanes - 1) / kLanes;
  const std::int64_t blocks = (task.channels + kBlock - 1) / kBlock;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t begin = task.channels * block / blocks;
    const std::int64_t channels = task.channels * (block + 1) / blocks - begin;
    const auto& tiles = kTiles[static_cast<std::size_t>(channels - 1)];
    const std::int64_t widest = vectors_for(static_cast<int>(channels));
    for (std::int64_t v = 0; v < vectors;) {
      const std::int64_t width = std::min(widest, vectors - v);
      tiles[static_cast<std::size_t>(width)](task, task.weights + begin, task.bias + begin,
                                             task.source + v * kLanes,
                                             task.out + begin * task.out_stride + v * kLanes);
      v += width;
    }
  }
}

// ---- sum_products: a tile is `kChannels` x `kTerms` sums.

constexpr int kTermBlock = kRegisters == 32 ? 5 : 3;
constexpr int kGradBlock = kRegisters == 32 ? 5 : 3;

template <int kChannels, int kTerms>
void sum_products_tile(const Products& task, const float* HWY_RESTRICT grad,
                       const std::int64_t* HWY_RESTRICT offsets, float* HWY_RESTRICT out) {
  const Lanes d;
  Vector sums[kChannels][kTerms];
  for (int c = 0; c < kChannels; ++c) {
    for (int t = 0; t < kTerms; ++t) sums[c][t] = hn::Zero(d);
  }
  const float* from[kTerms];
  for (int t = 0; t < kTerms; ++t) from[t] = task.source + offsets[t];
  for (std::int64_t n = 0; n < task.images; ++n) {
    for (std::int64_t i = 0; i < task.count; i += kLanes) {
      Vector x[kTerms];
      for (int t = 0; t < kTerms; ++t) x[t] = hn::LoadU(d, from[t] + i);
      for (int c = 0; c < kChannels; ++c) {
        const Vector g = hn::LoadU(d, grad + c * task.grad_stride + i);
        for (int t = 0; t < kTerms; ++t) sums[c][t] = hn::MulAdd(x[t], g, sums[c][t]);
      }
    }
    for (int t = 0; t < kTerms; ++t) from[t] += task.source_image;
    grad += task.grad_image;
  }
  for (int c = 0; c < kChannels; ++c) {
    for (int t = 0; t < kTerms; ++t) out[c * task.terms + t] = hn::GetLane(hn::SumOfLanes(d, sums[c][t]));
  }
}

using ProductsTile = void (*)(const Products&, const float*, const std::int64_t*, float*);

template <int kChannels, int... kTerms>
constexpr std::array<ProductsTile, kTermBlock> products_row(std::integer_sequence<int, kTerms...>) {
  return {&sum_products_tile<kChannels, kTerms + 1>...};
}

template <int... kChannels>
constexpr auto products_table(std::integer_sequence<int, kChannels...>) {
  return std::array{products_row<kChannels + 1>(std::make_integer_sequence<int, kTermBlock>())...};
}

void sum_products(const Products& task) {
  static constexpr auto kTiles = products_table(std::make_integer_sequence<int, kGradBlock>());
  const auto blocks_of = [](std::int64_t count, std::int64_t block) { return (count + block - 1) / block; };
  const std::int64_t channel_blocks = blocks_of(task.channels, kGradBlock);
  const std::int64_t term_blocks = blocks_of(task.terms, kTermBlock);
  for (std::int64_t a = 0; a < channel_blocks; ++a) {
    const std::int64_t c = task.channels * a / channel_blocks;
    const std::int64_t channels = task.channels * (a + 1) / channel_blocks - c;
    for (std::int64_t b = 0; b < term_blocks; ++b) {
      const std::int64_t t = task.terms * b / term_blocks;
      const std::int64_t terms = task.terms * (b + 1) / term_blocks - t;
      kTiles[static_cast<std::size_t>(channels - 1)][static_cast<std::size_t>(terms - 1)](
          task, task.grad + c * task.grad_stride, task.offsets + t, task.out + c * task.terms + t);
    }
  }
}

}  // namespace
}  // namespace sconce::kernels::direct::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sconce::kernels::direct {

HWY_EXPORT(correlate);
HWY_EXPORT(sum_products);

void correlate(const Correlation& task) {
  isa();
  HWY_DYNAMIC_DISPATCH(correlate)(task);
}

void sum_products(const Products& task) {
  isa();
  HWY_DYNAMIC_DISPATCH(sum_products)(task);
}

}  // namespace sconce::kernels::direct
#endif
