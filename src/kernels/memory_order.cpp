#include "kernels/memory_order.h"

#include <algorithm>
#include <numeric>

#include "sconce/base/error.h"

namespace sconce::kernels {

std::vector<std::int64_t> memory_order(const Geometry& geometry, std::string_view where) {
  std::vector<std::int64_t> dims(geometry.rank());
  std::iota(dims.begin(), dims.end(), std::int64_t{0});
  for (std::size_t i = 0; i < geometry.rank(); ++i) {
    require(geometry.shape[i] <= 1 || geometry.strides[i] != 0, ErrorCode::kInvalidArgument, where,
            "elements of the output share memory (dimension ", i, " of shape ", geometry.shape,
            " has stride 0); clone it first");
  }
  std::stable_sort(dims.begin(), dims.end(), [&](std::int64_t a, std::int64_t b) {
    return geometry.strides[static_cast<std::size_t>(a)] > geometry.strides[static_cast<std::size_t>(b)];
  });
  return dims;
}

Geometry in_memory_order(const Geometry& geometry, std::string_view where) {
  const Geometry sorted = geometry.permute(memory_order(geometry, where));
  Geometry out{{}, {}, geometry.offset};
  for (std::size_t i = 0; i < sorted.rank(); ++i) {
    const std::int64_t size = sorted.shape[i];
    const std::int64_t stride = sorted.strides[i];
    if (size == 1) continue;
    if (!out.shape.empty() && out.strides.back() == size * stride) {
      out.shape[out.rank() - 1] *= size;
      out.strides[out.rank() - 1] = stride;
    } else {
      out.shape.push_back(size);
      out.strides.push_back(stride);
    }
  }
  return out;
}

}  // namespace sconce::kernels
