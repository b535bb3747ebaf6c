// Max-pooling of 2x2 windows side by side, the common case, row by row in vectors.
#pragma once

#include <cstdint>

namespace sconce::kernels {

// Two rows of an image and the row that they become: out[i] is the largest of above[2 i], above[2 i + 1], below[2 i],
// below[2 i + 1] (the first of equals, NaN over all); places[i] is its index counted from above[0], plus `first`, where
// below[0] has index `width`.
void pool_row_2x2(const float* above, const float* below, std::int64_t count, std::int32_t first, std::int32_t width,
                  float* out, std::int32_t* places);

// The transpose: writes 2 * count numbers of each row, the gradient where the largest was and zeros.
void unpool_row_2x2(const float* grad, const std::int32_t* places, std::int64_t count, std::int32_t first,
                    std::int32_t width, float* above, float* below);

}  // namespace sconce::kernels
