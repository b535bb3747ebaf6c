// What the pooling kernels share: checks and the loop over the planes of an image.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sconce/base/parallel.h"
#include "sconce/core/array.h"
#include "sconce/kernels/window.h"

namespace sconce::kernels {

inline void check_image(const Shape& shape, std::string_view where) {
  require(shape.size() == 4, ErrorCode::kShapeMismatch, where,
          "expected an image of shape (N, C, H, W), found ", shape);
}

// Height and width of the pooled image. Errors: kInvalidArgument, kShapeMismatch.
Pair pooled_size(const Shape& image, const Window& window, bool ceil_mode, std::string_view where);

// Calls body(plane) for plane = 0 .. N * C - 1, over threads; `work` is the cost of one plane in elements.
template <class Body>
void for_each_plane(const Shape& image, std::int64_t work, Body&& body) {
  constexpr std::int64_t kWorthAThread = 32768;
  const std::int64_t grain = std::max<std::int64_t>(1, kWorthAThread / std::max<std::int64_t>(work, 1));
  parallel_for(image[0] * image[1], grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) body(plane);
  });
}

}  // namespace sconce::kernels
