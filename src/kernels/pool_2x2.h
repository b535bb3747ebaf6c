// Max-pooling of 2x2 windows side by side, the common case, in vectors.
#pragma once

#include <cstdint>

namespace sconce::kernels {

// A plane and what it is pooled to: 2 * out_height <= height, 2 * out_width <= width.
struct PooledPlane {
  std::int64_t height, width, out_height, out_width;
};

// out[y][x] is the largest of the window's four numbers (the first of equals, NaN over all), places[y][x] its
// index in the plane.
void pool_plane_2x2(const float* in, const PooledPlane& plane, float* out, std::int32_t* places);
// The same of relu(in); rising[y][x] is the place, or -1 where the largest is 0.
void relu_pool_plane_2x2(const float* in, const PooledPlane& plane, float* out, std::int32_t* places,
                         std::int32_t* rising);

// The transpose: into the rows and columns that windows cover it writes the gradients where the largest were,
// zeros elsewhere. A place outside its window counts for none.
void unpool_plane_2x2(const float* grad, const std::int32_t* places, const PooledPlane& plane, float* out);

}  // namespace sconce::kernels
