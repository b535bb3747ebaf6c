// Walking a view in the order of its memory, the order in which PyTorch's random fills visit elements.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sconce/core/geometry.h"

namespace sconce::kernels {

// Dimensions of `geometry` from the largest stride to the smallest. Error kInvalidArgument when a dimension
// of stride 0 makes elements share memory.
std::vector<std::int64_t> memory_order(const Geometry& geometry, std::string_view where);

// The view with its dimensions in memory order, those of size 1 dropped and dense neighbours merged.
Geometry in_memory_order(const Geometry& geometry, std::string_view where);

// Calls run(begin, step, count) for the rows of the view in memory order; begin counts elements from the
// first element of the view.
template <class Run>
void for_each_run(const Geometry& geometry, std::string_view where, const Run& run) {
  if (geometry.numel() == 0) return;
  const Geometry ordered = in_memory_order(geometry, where);
  if (ordered.rank() == 0) return run(std::int64_t{0}, std::int64_t{1}, std::int64_t{1});
  const std::size_t inner = ordered.rank() - 1;
  Dims position(inner);
  while (true) {
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < inner; ++i) begin += position[i] * ordered.strides[i];
    run(begin, ordered.strides[inner], ordered.shape[inner]);
    std::size_t i = inner;
    while (i > 0 && ++position[i - 1] == ordered.shape[i - 1]) position[--i] = 0;
    if (i == 0) return;
  }
}

}  // namespace sconce::kernels
