#include "kernels/pool_places.h"

#include <algorithm>

#include "kernels/multiversion.h"
#include "sconce/base/error.h"

namespace sconce::kernels {

void check_places(const Array& places, const Shape& like, std::int64_t plane) {
  constexpr const char* kWhere = "max_pool2d";
  require(places.dtype() == kInt32, ErrorCode::kDTypeMismatch, kWhere, "expected int32 places, found ",
          places.dtype());
  require(places.shape() == like && places.is_contiguous(), ErrorCode::kShapeMismatch, kWhere,
          "expected contiguous places of shape ", like, ", found ", places.shape());
  const auto* place = places.data<std::int32_t>();
  std::int32_t least = kNoPlace;
  std::int32_t most = kNoPlace;
  multiversion([&, n = places.numel()]() SCONCE_ALWAYS_INLINE {
    // Their own variables: what is captured by reference would be stored at every step.
    std::int32_t low = kNoPlace;
    std::int32_t high = kNoPlace;
    for (std::int64_t i = 0; i < n; ++i) {
      low = std::min(low, place[i]);
      high = std::max(high, place[i]);
    }
    least = low;
    most = high;
  });
  require(least >= kNoPlace && most < plane, ErrorCode::kIndexOutOfRange, kWhere,
          "expected places inside a plane of ", plane, " elements, found ", least < kNoPlace ? least : most);
}

}  // namespace sconce::kernels
