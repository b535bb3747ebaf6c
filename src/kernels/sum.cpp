// Sums in the order of aten/src/ATen/native/cpu/SumKernel.cpp (PyTorch), so that float32 results agree bit
// for bit: dimensions are ordered as TensorIterator orders them, the two innermost form one block, and inside
// a block rows are added in a cascade of four levels, four rows and a vector of columns side by side.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "kernels/dispatch.h"
#include "sconce/kernels/reduce.h"

namespace sconce::kernels {
namespace {

// kWidth numbers added lane by lane; plain loops that the compiler turns into vector instructions.
template <class T, std::int64_t kWidth>
struct Lanes {
  T lane[kWidth] = {};
  Lanes& operator+=(const Lanes& other) {
    for (std::int64_t i = 0; i < kWidth; ++i) lane[i] += other.lane[i];
    return *this;
  }
  static Lanes load(const T* from) {
    Lanes out;
    for (std::int64_t i = 0; i < kWidth; ++i) out.lane[i] = from[i];
    return out;
  }
};

// Elements that PyTorch's vectors hold on machines with AVX2.
template <class T>
inline constexpr std::int64_t kVector = static_cast<std::int64_t>(32 / sizeof(T));

int ceil_log2(std::int64_t n) { return n <= 1 ? 0 : std::bit_width(static_cast<std::uint64_t>(n - 1)); }

// Sums of kColumns columns of `rows` rows in a cascade: every 2^power rows level 0 spills into level 1, and
// so on, which keeps partial sums of like size together.
template <std::int64_t kColumns, class L, class T>
std::array<L, kColumns> cascade(const T* first, std::int64_t row_step, std::int64_t column_step,
                                std::int64_t rows) {
  constexpr int kLevels = 4;
  const int power = std::max(4, ceil_log2(rows) / kLevels);
  const std::int64_t block = std::int64_t{1} << power;
  std::array<std::array<L, kColumns>, kLevels> level{};
  const auto add_row = [&](std::int64_t row) {
    for (std::int64_t k = 0; k < kColumns; ++k) {
      level[0][static_cast<std::size_t>(k)] += L::load(first + row * row_step + k * column_step);
    }
  };
  std::int64_t row = 0;
  while (row + block <= rows) {
    for (const std::int64_t end = row + block; row < end; ++row) add_row(row);
    for (int j = 1; j < kLevels; ++j) {
      for (std::size_t k = 0; k < kColumns; ++k) {
        level[static_cast<std::size_t>(j)][k] += level[static_cast<std::size_t>(j - 1)][k];
        level[static_cast<std::size_t>(j - 1)][k] = L{};
      }
      if ((row & ((block - 1) << (j * power))) != 0) break;
    }
  }
  for (; row < rows; ++row) add_row(row);
  for (std::size_t j = 1; j < kLevels; ++j) {
    for (std::size_t k = 0; k < kColumns; ++k) level[0][k] += level[j][k];
  }
  return level[0];
}

// The sum of `count` items `step` apart: four interleaved sequences side by side, then together.
template <class L, class T>
L interleaved(const T* first, std::int64_t step, std::int64_t count) {
  const std::int64_t quarter = count / 4;
  std::array<L, 4> part = cascade<4, L>(first, step * 4, step, quarter);
  for (std::int64_t i = quarter * 4; i < count; ++i) part[0] += L::load(first + i * step);
  for (std::size_t k = 1; k < 4; ++k) part[0] += part[k];
  return part[0];
}

template <class T>
T contiguous_row(const T* first, std::int64_t count) {
  constexpr std::int64_t kWidth = kVector<T>;
  const std::int64_t vectors = count / kWidth;
  const auto lanes = interleaved<Lanes<T, kWidth>>(first, kWidth, vectors);
  T total = 0;
  for (std::int64_t i = vectors * kWidth; i < count; ++i) total += first[i];
  for (const T lane : lanes.lane) total += lane;
  return total;
}

// One dimension as the block sees it; out_step is 0 where the dimension is summed over.
struct Loop {
  std::int64_t size = 1;
  std::int64_t in_step = 0;
  std::int64_t out_step = 0;
};

template <class T>
void sum_columns(T* out, const T* in, const Loop& rows, const Loop& columns) {
  constexpr std::int64_t kWidth = kVector<T>;
  using Vector = Lanes<T, kWidth>;
  const auto store = [&](std::int64_t column, const Vector& sums) {
    for (std::int64_t i = 0; i < kWidth; ++i) out[(column + i) * columns.out_step] += sums.lane[i];
  };
  std::int64_t c = 0;
  for (; c + 4 * kWidth <= columns.size; c += 4 * kWidth) {
    const auto sums = cascade<4, Vector>(in + c, rows.in_step, kWidth, rows.size);
    for (std::int64_t k = 0; k < 4; ++k) store(c + k * kWidth, sums[static_cast<std::size_t>(k)]);
  }
  for (; c + kWidth <= columns.size; c += kWidth) {
    store(c, interleaved<Vector>(in + c, rows.in_step, rows.size));
  }
  for (; c < columns.size; ++c) {
    out[c * columns.out_step] += interleaved<Lanes<T, 1>>(in + c, rows.in_step, rows.size).lane[0];
  }
}

template <class T>
void sum_strided_columns(T* out, const T* in, const Loop& rows, const Loop& columns) {
  std::int64_t c = 0;
  for (; c + 4 <= columns.size; c += 4) {
    const auto sums =
        cascade<4, Lanes<T, 1>>(in + c * columns.in_step, rows.in_step, columns.in_step, rows.size);
    for (std::int64_t k = 0; k < 4; ++k)
      out[(c + k) * columns.out_step] += sums[static_cast<std::size_t>(k)].lane[0];
  }
  for (; c < columns.size; ++c) {
    out[c * columns.out_step] +=
        interleaved<Lanes<T, 1>>(in + c * columns.in_step, rows.in_step, rows.size).lane[0];
  }
}

// Adds the block's sums over `rows` (and over `columns` where its out_step is 0) to `out`.
template <class T>
void sum_block(T* out, const T* in, const Loop& rows, const Loop& columns) {
  if (rows.out_step != 0) {  // nothing is summed inside the block
    for (std::int64_t j = 0; j < columns.size; ++j) {
      for (std::int64_t i = 0; i < rows.size; ++i) {
        out[i * rows.out_step + j * columns.out_step] += in[i * rows.in_step + j * columns.in_step];
      }
    }
  } else if (rows.in_step == 1 && rows.size >= kVector<T>) {
    for (std::int64_t j = 0; j < columns.size; ++j) {
      out[j * columns.out_step] += contiguous_row(in + j * columns.in_step, rows.size);
    }
  } else if (columns.in_step == 1 && columns.size >= kVector<T>) {
    sum_columns(out, in, rows, columns);
  } else if (rows.in_step < columns.in_step) {
    for (std::int64_t j = 0; j < columns.size; ++j) {
      out[j * columns.out_step] +=
          interleaved<Lanes<T, 1>>(in + j * columns.in_step, rows.in_step, rows.size).lane[0];
    }
  } else {
    sum_strided_columns(out, in, rows, columns);
  }
}

// Dimensions innermost first: summed ones before kept ones, then by stride; neighbours merged where both
// operands allow it.
std::vector<Loop> ordered_loops(const Array& x, const Array& out_kept) {
  std::vector<Loop> loops;
  for (std::size_t d = x.rank(); d-- > 0;) {
    if (x.shape()[d] == 1) continue;
    Loop loop{x.shape()[d], x.strides()[d], out_kept.shape()[d] == 1 ? 0 : out_kept.strides()[d]};
    // A stable insertion: later dimensions come first among those without a preference.
    std::size_t at = loops.size();
    while (at > 0) {
      const Loop& before = loops[at - 1];
      const bool before_reduced = before.out_step == 0;
      const bool reduced = loop.out_step == 0;
      bool swap = false;
      if (before_reduced != reduced) {
        swap = reduced;
      } else if (!reduced && before.out_step != loop.out_step) {
        swap = before.out_step > loop.out_step;
      } else if (before.in_step != 0 && loop.in_step != 0) {
        swap = before.in_step > loop.in_step || (before.in_step == loop.in_step && before.size > loop.size);
      }
      if (!swap) break;
      --at;
    }
    loops.insert(loops.begin() + static_cast<std::ptrdiff_t>(at), loop);
  }
  std::vector<Loop> merged;
  for (const Loop& loop : loops) {
    if (!merged.empty() && merged.back().in_step * merged.back().size == loop.in_step &&
        merged.back().out_step * merged.back().size == loop.out_step) {
      merged.back().size *= loop.size;
    } else {
      merged.push_back(loop);
    }
  }
  while (merged.size() < 2) merged.push_back({});
  return merged;
}

// Runs every block in order, except that the outermost kept loop may be cut between threads: each output
// still gets its summands in one order.
template <class T>
void sum_loops(T* out, const T* in, std::vector<Loop> loops, bool may_split) {
  std::size_t widest = 0;
  for (std::size_t i = 1; i < loops.size(); ++i) {
    if (loops[i].out_step != 0 && (loops[widest].out_step == 0 || loops[i].size > loops[widest].size))
      widest = i;
  }
  std::int64_t total = 1;
  for (const Loop& loop : loops) total *= loop.size;
  // Pieces of whole vectors, four side by side, keep each column in the group it has alone.
  constexpr std::int64_t kPiece = 4 * kVector<T>;
  if (may_split && loops[widest].out_step != 0 && total >= 2 * kElementwiseGrain &&
      loops[widest].size >= 2 * kPiece) {
    const Loop whole = loops[widest];
    const std::int64_t pieces = whole.size / kPiece;  // the last one takes the rest, too
    const std::int64_t grain = std::max<std::int64_t>(1, kElementwiseGrain * pieces / total);
    return parallel_for(pieces, grain, [&](std::int64_t begin, std::int64_t end) {
      std::vector<Loop> mine = loops;
      const std::int64_t from = begin * kPiece;
      mine[widest].size = (end == pieces ? whole.size : end * kPiece) - from;
      sum_loops(out + from * whole.out_step, in + from * whole.in_step, std::move(mine), false);
    });
  }
  Dims position(loops.size() - 2);
  while (true) {
    T* block_out = out;
    const T* block_in = in;
    for (std::size_t i = 0; i < position.size(); ++i) {
      block_out += position[i] * loops[i + 2].out_step;
      block_in += position[i] * loops[i + 2].in_step;
    }
    sum_block(block_out, block_in, loops[0], loops[1]);
    std::size_t i = 0;
    while (i < position.size() && ++position[i] == loops[i + 2].size) position[i++] = 0;
    if (i == position.size()) return;
  }
}

}  // namespace

std::vector<bool> reduced_dims(const Dims& dims, std::size_t rank, std::string_view where) {
  std::vector<bool> out(rank, dims.empty());
  for (const std::int64_t dim : dims) {
    const std::size_t d = normalize_dim(dim, rank, where);
    if (rank == 0) continue;
    require(!out[d], ErrorCode::kInvalidArgument, where, "dimension ", d, " is named twice");
    out[d] = true;
  }
  return out;
}

Shape reduced_shape(const Shape& shape, const std::vector<bool>& reduced, bool keepdim) {
  Shape out;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!reduced[i]) {
      out.push_back(shape[i]);
    } else if (keepdim) {
      out.push_back(1);
    }
  }
  return out;
}

std::int64_t reduced_count(const Shape& shape, const std::vector<bool>& reduced) {
  std::int64_t out = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) out *= reduced[i] ? shape[i] : 1;
  return out;
}

Array sum(const Array& x, const Dims& dims, bool keepdim) {
  if (is_half(x.dtype())) return sum(x.cast(kFloat32), dims, keepdim).cast(x.dtype());
  if (is_integral(x.dtype())) return reference::sum(x, dims, keepdim);
  const std::vector<bool> reduced = reduced_dims(dims, x.rank(), "sum");
  const Array kept = Array::zeros(reduced_shape(x.shape(), reduced, true), x.dtype());
  Array out = kept.view(reduced_shape(x.shape(), reduced, keepdim));
  if (x.numel() == 0) return out;
  visit_floating("sum", x.dtype(), [&]<class T>(std::type_identity<T>) {
    sum_loops(out.mutable_data<T>(), x.data<T>(), ordered_loops(x, kept), true);
  });
  return out;
}

}  // namespace sconce::kernels
