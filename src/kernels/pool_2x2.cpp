#include "kernels/pool_2x2.h"

#include <algorithm>

#include "kernels/isa.h"
#include "kernels/pool_places.h"

// In this order:
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool_2x2.cpp"
#include "kernels/isa_targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace sconce::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Calls body(d, i) for vectors that cover [0, count): the widest of up to kMost lanes that fits, the last one
// drawn back so that it ends with the row. What is covered twice is computed twice.
template <std::size_t kMost = 16, class Body>
void for_each_vector(std::int64_t count, const Body& body) {
  const hn::CappedTag<float, kMost> d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  if (count < kLanes) {
    if constexpr (kMost > 1) for_each_vector<kMost / 2>(count, body);
    return;
  }
  for (std::int64_t i = 0; i < count; i += kLanes) body(d, std::min(i, count - kLanes));
}

// With `rising`, of relu.
template <bool kHasRelu>
void pool_row(const float* HWY_RESTRICT above, const float* HWY_RESTRICT below, std::int64_t count,
              std::int32_t first, std::int32_t width, float* HWY_RESTRICT out,
              std::int32_t* HWY_RESTRICT places, std::int32_t* HWY_RESTRICT rising) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    const hn::Rebind<std::int32_t, decltype(d)> di;
    hn::Vec<decltype(d)> best;
    hn::Vec<decltype(d)> value[3];
    hn::LoadInterleaved2(d, above + 2 * i, best, value[0]);
    hn::LoadInterleaved2(d, below + 2 * i, value[1], value[2]);
    const auto left = hn::Add(hn::Set(di, first + 2 * static_cast<std::int32_t>(i)),
                              hn::Mul(hn::Iota(di, 0), hn::Set(di, 2)));
    auto place = left;
    const std::int32_t offset[3] = {1, width, width + 1};
    for (int k = 0; k < 3; ++k) {
      const auto wins = hn::Or(hn::Gt(value[k], best), hn::IsNaN(value[k]));
      best = hn::IfThenElse(wins, value[k], best);
      place = hn::IfThenElse(hn::RebindMask(di, wins), hn::Add(left, hn::Set(di, offset[k])), place);
    }
    if constexpr (kHasRelu) {
      // Where the largest is no more than 0, relu makes all four 0, and the first of equals wins.
      const auto is_flat = hn::Le(best, hn::Zero(d));
      best = hn::IfThenZeroElse(is_flat, best);
      const auto flat = hn::RebindMask(di, is_flat);
      hn::StoreU(hn::IfThenElse(flat, hn::Set(di, kNoPlace), place), di, rising + i);
      place = hn::IfThenElse(flat, left, place);
    }
    hn::StoreU(best, d, out + i);
    hn::StoreU(place, di, places + i);
  });
}

void unpool_row(const float* HWY_RESTRICT grad, const std::int32_t* HWY_RESTRICT places, std::int64_t count,
                std::int32_t first, std::int32_t width, float* HWY_RESTRICT above,
                float* HWY_RESTRICT below) {
  for_each_vector(count, [&](auto d, std::int64_t i) {
    const hn::Rebind<std::int32_t, decltype(d)> di;
    const auto g = hn::LoadU(d, grad + i);
    const auto left = hn::Add(hn::Set(di, first + 2 * static_cast<std::int32_t>(i)),
                              hn::Mul(hn::Iota(di, 0), hn::Set(di, 2)));
    const auto tap = hn::Sub(hn::LoadU(di, places + i), left);
    const auto part = [&](std::int32_t offset) {
      return hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(tap, hn::Set(di, offset))), g);
    };
    hn::StoreInterleaved2(part(0), part(1), d, above + 2 * i);
    hn::StoreInterleaved2(part(width), part(width + 1), d, below + 2 * i);
  });
}

template <bool kHasRelu>
void pool_rows(const float* in, const PooledPlane& plane, float* out, std::int32_t* places,
               std::int32_t* rising) {
  for (std::int64_t y = 0; y < plane.out_height; ++y) {
    const std::int64_t top = 2 * y * plane.width;
    const std::int64_t to = y * plane.out_width;
    pool_row<kHasRelu>(in + top, in + top + plane.width, plane.out_width, static_cast<std::int32_t>(top),
                       static_cast<std::int32_t>(plane.width), out + to, places + to,
                       kHasRelu ? rising + to : nullptr);
  }
}

void pool_plane(const float* in, const PooledPlane& plane, float* out, std::int32_t* places) {
  pool_rows<false>(in, plane, out, places, nullptr);
}

void relu_pool_plane(const float* in, const PooledPlane& plane, float* out, std::int32_t* places,
                     std::int32_t* rising) {
  pool_rows<true>(in, plane, out, places, rising);
}

void unpool_plane(const float* grad, const std::int32_t* places, const PooledPlane& plane, float* out) {
  for (std::int64_t y = 0; y < plane.out_height; ++y) {
    const std::int64_t top = 2 * y * plane.width;
    unpool_row(grad + y * plane.out_width, places + y * plane.out_width, plane.out_width,
               static_cast<std::int32_t>(top), static_cast<std::int32_t>(plane.width), out + top,
               out + top + plane.width);
  }
}

}  // namespace
}  // namespace sconce::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sconce::kernels {

HWY_EXPORT(pool_plane);
HWY_EXPORT(relu_pool_plane);
HWY_EXPORT(unpool_plane);

void pool_plane_2x2(const float* in, const PooledPlane& plane, float* out, std::int32_t* places) {
  isa();
  HWY_DYNAMIC_DISPATCH(pool_plane)(in, plane, out, places);
}

void relu_pool_plane_2x2(const float* in, const PooledPlane& plane, float* out, std::int32_t* places,
                         std::int32_t* rising) {
  isa();
  HWY_DYNAMIC_DISPATCH(relu_pool_plane)(in, plane, out, places, rising);
}

void unpool_plane_2x2(const float* grad, const std::int32_t* places, const PooledPlane& plane, float* out) {
  isa();
  HWY_DYNAMIC_DISPATCH(unpool_plane)(grad, places, plane, out);
}

}  // namespace sconce::kernels
#endif
