#include "kernels/direct/sparse_tiles.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "kernels/isa.h"

// In this order:
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/direct/sparse_tiles.cpp"
#include "kernels/isa_targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace sconce::kernels::direct::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Lanes = hn::CappedTag<float, kSlack>;
using Places = hn::Rebind<std::int32_t, Lanes>;
using Vector = hn::Vec<Lanes>;
constexpr std::int64_t kLanes = hn::MaxLanes(Lanes());

// Sums held in registers at once: AVX-512 has 32 registers, the others 16.
constexpr int kMostSums = HWY_MAX_BYTES >= 64 ? 25 : 12;

std::int64_t vector_lanes() { return kLanes; }

std::int64_t append_nonzeros(const float* HWY_RESTRICT plane, std::int64_t count, std::int32_t first,
                             const std::int32_t* HWY_RESTRICT place_of, std::int32_t* HWY_RESTRICT places,
                             float* HWY_RESTRICT values) {
  const Lanes d;
  const Places di;
  const auto base = hn::Set(di, first);
  std::int64_t found = 0;
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vector value = hn::LoadU(d, plane + i);
    const auto nonzero = hn::Not(hn::Eq(value, hn::Zero(d)));  // Ne would leave out NaN
    hn::StoreU(hn::Compress(value, nonzero), d, values + found);
    hn::StoreU(hn::Compress(hn::Add(base, hn::LoadU(di, place_of + i)), hn::RebindMask(di, nonzero)), di,
               places + found);
    found += static_cast<std::int64_t>(hn::CountTrue(d, nonzero));
  }
  for (; i < count; ++i) {
    values[found] = plane[i];
    places[found] = first + place_of[i];
    found += plane[i] != 0;
  }
  return found;
}

// ---- sum_runs

// Entries taken side by side, so that enough sums are under way to hide the time that one takes.
constexpr int side_by_side(int vectors) { return vectors >= 8 ? 1 : vectors >= 4 ? 2 : 4; }

template <int kVectors>
void sum_runs_tile(const RunSums& task, std::int64_t first) {
  const Lanes d;
  constexpr int kSide = side_by_side(kVectors);
  Vector sums[kSide][kVectors];
  for (int s = 0; s < kSide; ++s) {
    for (int v = 0; v < kVectors; ++v) sums[s][v] = hn::Zero(d);
  }
  const float* from[kVectors];
  for (int v = 0; v < kVectors; ++v) from[v] = task.source + task.offsets[first + v];
  const std::int64_t whole = task.count / kSide * kSide;
  for (std::int64_t e = 0; e < whole; e += kSide) {
    for (int s = 0; s < kSide; ++s) {
      const Vector value = hn::Set(d, task.values[e + s]);
      const std::int64_t place = task.places[e + s];
      for (int v = 0; v < kVectors; ++v) {
        sums[s][v] = hn::MulAdd(value, hn::LoadU(d, from[v] + place), sums[s][v]);
      }
    }
  }
  for (std::int64_t e = whole; e < task.count; ++e) {
    const Vector value = hn::Set(d, task.values[e]);
    for (int v = 0; v < kVectors; ++v) {
      sums[0][v] = hn::MulAdd(value, hn::LoadU(d, from[v] + task.places[e]), sums[0][v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    Vector sum = sums[0][v];
    for (int s = 1; s < kSide; ++s) sum = hn::Add(sum, sums[s][v]);
    hn::StoreU(sum, d, task.out + (first + v) * kLanes);
  }
}

using RunTile = void (*)(const RunSums&, std::int64_t);

template <int... kVectors>
constexpr std::array<RunTile, kMostSums> run_tiles(std::integer_sequence<int, kVectors...>) {
  return {&sum_runs_tile<kVectors + 1>...};
}

void sum_runs(const RunSums& task) {
  static constexpr auto kTiles = run_tiles(std::make_integer_sequence<int, kMostSums>());
  const std::int64_t blocks = (task.vectors + kMostSums - 1) / kMostSums;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t first = task.vectors * block / blocks;
    const std::int64_t vectors = task.vectors * (block + 1) / blocks - first;
    kTiles[static_cast<std::size_t>(vectors - 1)](task, first);
  }
}

// ---- spread

template <int kVectors>
bool spread_tile(const Spread& task, std::int64_t first) {
  const Lanes d;
  const std::int64_t groups = task.grad_stride / kLanes;
  const std::int64_t weight_step = task.vectors * kLanes;
  std::int64_t offsets[kVectors];
  for (int v = 0; v < kVectors; ++v) offsets[v] = task.offsets[first + v];
  const float* grad = task.grad;
  float* target = task.target;
  for (std::int64_t i = 0; i < task.count; ++i, target += task.step) {
    const float* HWY_RESTRICT weights = task.weights + first * kLanes;
    for (std::int64_t group = 0; group < groups; ++group, grad += kLanes, weights += kLanes * weight_step) {
      const Vector values = hn::LoadU(d, grad);
      if (!hn::AllTrue(d, hn::IsFinite(values))) return false;
      const auto mask = hn::Ne(values, hn::Zero(d));
      std::uint8_t bytes[8] = {};
      hn::StoreMaskBits(d, mask, bytes);
      auto bits = static_cast<std::uint32_t>(bytes[0] | bytes[1] << 8);
      if (bits == 0) continue;
      Vector sums[kVectors];
      for (int v = 0; v < kVectors; ++v) sums[v] = hn::LoadU(d, target + offsets[v]);
      do {
        const int c = std::countr_zero(bits);
        bits &= bits - 1;
        const Vector value = hn::Set(d, grad[c]);
        const float* HWY_RESTRICT row = weights + c * weight_step;
        for (int v = 0; v < kVectors; ++v)
          sums[v] = hn::MulAdd(value, hn::LoadU(d, row + v * kLanes), sums[v]);
      } while (bits != 0);
      for (int v = 0; v < kVectors; ++v) hn::StoreU(sums[v], d, target + offsets[v]);
    }
  }
  return true;
}

using SpreadTile = bool (*)(const Spread&, std::int64_t);

template <int... kVectors>
constexpr std::array<SpreadTile, kMostSums> spread_tiles(std::integer_sequence<int, kVectors...>) {
  return {&spread_tile<kVectors + 1>...};
}

bool spread(const Spread& task) {
  static constexpr auto kTiles = spread_tiles(std::make_integer_sequence<int, kMostSums>());
  const std::int64_t blocks = (task.vectors + kMostSums - 1) / kMostSums;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t first = task.vectors * block / blocks;
    const std::int64_t vectors = task.vectors * (block + 1) / blocks - first;
    if (!kTiles[static_cast<std::size_t>(vectors - 1)](task, first)) return false;
  }
  return true;
}

}  // namespace
}  // namespace sconce::kernels::direct::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sconce::kernels::direct {

HWY_EXPORT(vector_lanes);
HWY_EXPORT(append_nonzeros);
HWY_EXPORT(sum_runs);
HWY_EXPORT(spread);

std::int64_t vector_lanes() {
  isa();
  return HWY_DYNAMIC_DISPATCH(vector_lanes)();
}

std::int64_t append_nonzeros(const float* plane, std::int64_t count, std::int32_t first,
                             const std::int32_t* place_of, std::int32_t* places, float* values) {
  isa();
  return HWY_DYNAMIC_DISPATCH(append_nonzeros)(plane, count, first, place_of, places, values);
}

void sum_runs(const RunSums& task) {
  isa();
  HWY_DYNAMIC_DISPATCH(sum_runs)(task);
}

bool spread(const Spread& task) {
  isa();
  return HWY_DYNAMIC_DISPATCH(spread)(task);
}

}  // namespace sconce::kernels::direct
#endif
