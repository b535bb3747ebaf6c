// The places that max-pooling keeps for its backward pass.
#pragma once

#include <cstdint>

#include "sconce/core/array.h"

namespace sconce::kernels {

inline constexpr std::int32_t kNoPlace = -1;  // of a window that lies outside the image

// Every place must lie inside a plane of so many elements, or be kNoPlace: they come from the caller. Errors:
// kDTypeMismatch (not int32), kShapeMismatch (other than `like`, or not contiguous), kIndexOutOfRange.
void check_places(const Array& places, const Shape& like, std::int64_t plane);

}  // namespace sconce::kernels
