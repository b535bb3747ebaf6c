// Elementwise loops over strided, broadcast operands, shared by the kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/multiversion.h"
#include "sconce/base/parallel.h"
#include "sconce/core/array.h"

namespace sconce::kernels {

// Elements below which a second thread costs more than it brings.
inline constexpr std::int64_t kElementwiseGrain = 32768;

// The common index space of N operands: dimensions of size 1 dropped, neighbours merged where every operand
// lies densely, so that most cases become one long row.
template <std::size_t N>
struct LoopNest {
  Shape outer;                           // all but the innermost dimension
  std::array<Strides, N> outer_strides;  // elements
  std::int64_t inner = 1;                // length of a row
  std::array<std::int64_t, N> step{};    // inner strides
  std::int64_t rows = 1;

  LoopNest(const Shape& shape, const std::array<Strides, N>& strides) {
    Shape merged;
    std::array<Strides, N> kept;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] == 1) continue;
      bool dense = !merged.empty();
      for (std::size_t k = 0; k < N; ++k) {
        dense = dense && kept[k].back() == strides[k][d] * shape[d];
      }
      if (dense) {
        merged[merged.size() - 1] *= shape[d];
        for (std::size_t k = 0; k < N; ++k) kept[k][kept[k].size() - 1] = strides[k][d];
      } else {
        merged.push_back(shape[d]);
        for (std::size_t k = 0; k < N; ++k) kept[k].push_back(strides[k][d]);
      }
    }
    if (!merged.empty()) {
      inner = merged.back();
      merged.erase(merged.size() - 1);
      for (std::size_t k = 0; k < N; ++k) {
        step[k] = kept[k].back();
        kept[k].erase(kept[k].size() - 1);
      }
    }
    rows = merged.numel();
    outer = std::move(merged);
    outer_strides = std::move(kept);
  }

  // Offsets of row `row` in every operand.
  std::array<std::int64_t, N> offsets(std::int64_t row) const {
    std::array<std::int64_t, N> out{};
    for (std::size_t d = outer.size(); d-- > 0;) {
      const std::int64_t i = row % outer[d];
      row /= outer[d];
      for (std::size_t k = 0; k < N; ++k) out[k] += i * outer_strides[k][d];
    }
    return out;
  }
};

// Calls row(offsets, count) for stretches that cover the nest once, in several threads when it is large. A
// stretch lies within one row; its operands advance by nest.step.
template <std::size_t N, class Row>
void for_each_stretch(const LoopNest<N>& nest, const Row& row) {
  if (nest.inner == 0 || nest.rows == 0) return;
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    std::int64_t at = begin % nest.inner;
    for (std::int64_t r = begin / nest.inner; begin < end; ++r) {
      auto offsets = nest.offsets(r);
      for (std::size_t k = 0; k < N; ++k) offsets[k] += at * nest.step[k];
      const std::int64_t count = std::min(nest.inner - at, end - begin);
      row(offsets, count);
      begin += count;
      at = 0;
    }
  };
  const std::int64_t total = nest.inner * nest.rows;
  if (total < 2 * kElementwiseGrain) return run(0, total);
  parallel_for(total, kElementwiseGrain, run);
}

// Strides of `array` seen with `shape`: 0 along broadcast dimensions.
inline Strides broadcast_strides(const Array& array, const Shape& shape) {
  if (array.shape() == shape) return array.strides();
  return array.geometry().expand(shape).strides;
}

// Elements in row-major order, one after the other: a row, whatever the shape.
inline bool is_row(const Array& array, const Shape& shape) {
  return array.is_contiguous() && array.shape() == shape;
}

// Calls row(begin, count) for stretches of a row, in several threads when it is long.
template <class Row>
void for_each_piece(std::int64_t total, const Row& row) {
  if (total < 2 * kElementwiseGrain) return row(0, total);
  parallel_for(total, kElementwiseGrain,
               [&](std::int64_t begin, std::int64_t end) { row(begin, end - begin); });
}

// out[i] = f(a[i]).
template <class Out, class In, class F>
void map_into(Out* out, const Strides& out_strides, const Array& a, const Shape& shape, F f) {
  const In* pa = reinterpret_cast<const In*>(a.raw());
  if (is_row(a, shape) && a.strides() == out_strides) {
    return for_each_piece(shape.numel(), [&](std::int64_t begin, std::int64_t n) {
      Out* po = out + begin;
      const In* x = pa + begin;
      multiversion([&]() SCONCE_ALWAYS_INLINE {
        for (std::int64_t i = 0; i < n; ++i) po[i] = f(x[i]);
      });
    });
  }
  const LoopNest<2> nest(shape, {out_strides, broadcast_strides(a, shape)});
  for_each_stretch(nest, [&](const std::array<std::int64_t, 2>& at, std::int64_t n) {
    Out* po = out + at[0];
    const In* x = pa + at[1];
    const std::int64_t so = nest.step[0];
    const std::int64_t sx = nest.step[1];
    multiversion([&]() SCONCE_ALWAYS_INLINE {
      if (so == 1 && sx == 1) {
        for (std::int64_t i = 0; i < n; ++i) po[i] = f(x[i]);
      } else {
        for (std::int64_t i = 0; i < n; ++i) po[i * so] = f(x[i * sx]);
      }
    });
  });
}

// out[i] = f(a[i], b[i]). The target may be an operand itself, element upon element.
template <class Out, class In, class F>
void zip_into(Out* out, const Strides& out_strides, const Array& a, const Array& b, const Shape& shape, F f) {
  const In* pa = reinterpret_cast<const In*>(a.raw());
  const In* pb = reinterpret_cast<const In*>(b.raw());
  if (is_row(a, shape) && is_row(b, shape) && a.strides() == out_strides) {
    return for_each_piece(shape.numel(), [&](std::int64_t begin, std::int64_t n) {
      Out* po = out + begin;
      const In* x = pa + begin;
      const In* y = pb + begin;
      multiversion([&]() SCONCE_ALWAYS_INLINE {
        for (std::int64_t i = 0; i < n; ++i) po[i] = f(x[i], y[i]);
      });
    });
  }
  const LoopNest<3> nest(shape, {out_strides, broadcast_strides(a, shape), broadcast_strides(b, shape)});
  for_each_stretch(nest, [&](const std::array<std::int64_t, 3>& at, std::int64_t n) {
    Out* po = out + at[0];
    const In* x = pa + at[1];
    const In* y = pb + at[2];
    const std::int64_t so = nest.step[0];
    const std::int64_t sx = nest.step[1];
    const std::int64_t sy = nest.step[2];
    multiversion([&]() SCONCE_ALWAYS_INLINE {
      if (so == 1 && sx == 1 && sy == 1) {
        for (std::int64_t i = 0; i < n; ++i) po[i] = f(x[i], y[i]);
      } else if (so == 1 && sx == 1 && sy == 0) {
        const In constant = *y;
        for (std::int64_t i = 0; i < n; ++i) po[i] = f(x[i], constant);
      } else if (so == 1 && sx == 0 && sy == 1) {
        const In constant = *x;
        for (std::int64_t i = 0; i < n; ++i) po[i] = f(constant, y[i]);
      } else {
        for (std::int64_t i = 0; i < n; ++i) po[i * so] = f(x[i * sx], y[i * sy]);
      }
    });
  });
}

}  // namespace sconce::kernels
