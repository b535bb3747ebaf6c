#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/blocks.h"
#include "kernels/pool_places.h"
#include "kernels/pool_planes.h"
#include "sconce/kernels/blocked.h"

namespace sconce::kernels::blocked {
namespace {

// The rows or columns of one window that lie in the image.
struct Reach {
  std::int64_t begin, end;
};

Reach reach_of(std::int64_t i, std::int64_t size, std::int64_t kernel, std::int64_t stride,
               std::int64_t padding, std::int64_t dilation) {
  std::int64_t begin = i * stride - padding;
  const std::int64_t end = std::min(begin + (kernel - 1) * dilation + 1, size);
  while (begin < 0) begin += dilation;
  return {begin, end};
}

struct Plane {
  std::int64_t height, width, out_height, out_width;
};

// The compiler leaves a loop of selects scalar; with these types it has no choice. They are as wide as the
// registers that this code is compiled for, AVX2's: wider ones it takes apart into single numbers.
constexpr std::int64_t kLanes = 8;
typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));
typedef std::int32_t Places __attribute__((vector_size(kLanes * sizeof(std::int32_t))));

template <int kBlock>
SCONCE_ALWAYS_INLINE inline void pool(const float* in, const Plane& s, const Window& w, float* out,
                                      std::int32_t* where) {
  static_assert(kBlock % kLanes == 0);
  constexpr std::int64_t kParts = kBlock / kLanes;
  for (std::int64_t oy = 0; oy < s.out_height; ++oy) {
    const Reach rows = reach_of(oy, s.height, w.kernel.h, w.stride.h, w.padding.h, w.dilation.h);
    for (std::int64_t ox = 0; ox < s.out_width; ++ox, out += kBlock, where += kBlock) {
      const Reach columns = reach_of(ox, s.width, w.kernel.w, w.stride.w, w.padding.w, w.dilation.w);
      // Dilation can step over a small image: such a window has no pixel and no place.
      const bool has_pixel = rows.begin < rows.end && columns.begin < columns.end;
      const auto first = has_pixel ? static_cast<std::int32_t>(rows.begin * s.width + columns.begin) : -1;
      Floats best[kParts];
      Places place[kParts];
      for (std::int64_t part = 0; part < kParts; ++part) {
        best[part] = Floats{} - std::numeric_limits<float>::infinity();
        place[part] = Places{} + first;
      }
      for (std::int64_t y = rows.begin; y < rows.end; y += w.dilation.h) {
        for (std::int64_t x = columns.begin; x < columns.end; x += w.dilation.w) {
          const std::int64_t at = y * s.width + x;
          for (std::int64_t part = 0; part < kParts; ++part) {
            Floats pixel;
            std::memcpy(&pixel, in + at * kBlock + part * kLanes, sizeof pixel);
            // The first of equals stays and NaN, which is no equal of itself, wins.
            const Places beats =
                (pixel > best[part]) | (pixel != pixel);  // NOLINT(misc-redundant-expression)
            best[part] = beats ? pixel : best[part];
            place[part] = beats ? Places{} + static_cast<std::int32_t>(at) : place[part];
          }
        }
      }
      std::memcpy(out, best, sizeof best);
      std::memcpy(where, place, sizeof place);
    }
  }
}

}  // namespace

MaxPool2dResult max_pool2d(const Array& image, const Window& window, bool ceil_mode) {
  constexpr const char* kWhere = "max_pool2d";
  const Blocks s = blocks_of(image, kWhere);
  const Shape& shape = image.shape();
  const Pair size = pooled_size(plain_shape(image), window, ceil_mode, kWhere);
  require(s.plane <= std::numeric_limits<std::int32_t>::max(), ErrorCode::kLimit, kWhere,
          "expected planes of fewer than 2^31 elements, found one of ", s.plane);
  const Shape out_shape{shape[0], shape[1], size.h, size.w, shape[4]};
  MaxPool2dResult result{Array::empty(out_shape), Array::empty(out_shape, kInt32)};
  const float* in = image.data<float>();
  float* out = result.values.mutable_data<float>();
  auto* where = result.places.mutable_data<std::int32_t>();
  const Plane plane{shape[2], shape[3], size.h, size.w};
  const std::int64_t out_plane = size.h * size.w;
  for_each_block(s, [&](auto block, std::int64_t, std::int64_t first) SCONCE_ALWAYS_INLINE {
    const std::int64_t to = s.plane == 0 ? 0 : first / s.plane * out_plane;
    pool<decltype(block)::value>(in + first, plane, window, out + to, where + to);
  });
  return result;
}

Array max_pool2d_backward(const Array& grad, const Array& places, const Shape& image_shape) {
  constexpr const char* kWhere = "max_pool2d";
  const Blocks from = blocks_of(grad, kWhere);
  require(image_shape.size() == 4 && image_shape[0] == from.batch && image_shape[1] == from.channels(),
          ErrorCode::kShapeMismatch, kWhere, "expected a gradient for image ", image_shape, ", found ",
          plain_shape(grad));
  Array out = Array::zeros({from.batch, from.blocks, image_shape[2], image_shape[3], from.block});
  const Blocks s = blocks_of(out, kWhere);
  check_places(places, grad.shape(), s.plane);
  const float* source = grad.data<float>();
  const auto* place = places.data<std::int32_t>();
  float* target = out.mutable_data<float>();
  for_each_block(s, [&](auto block, std::int64_t, std::int64_t first) SCONCE_ALWAYS_INLINE {
    constexpr int kBlock = decltype(block)::value;
    const std::int64_t begin = s.plane == 0 ? 0 : first / s.plane * from.plane;
    for (std::int64_t i = begin; i < begin + from.plane * kBlock; i += kBlock) {
      for (int c = 0; c < kBlock; ++c) {
        if (place[i + c] >= 0) target[first + std::int64_t{place[i + c]} * kBlock + c] += source[i + c];
      }
    }
  });
  return out;
}

Array max_pool2d_gather(const Array& image, const Array& places) {
  constexpr const char* kWhere = "max_pool2d";
  const Blocks s = blocks_of(image, kWhere);
  const Blocks to = blocks_of(places, kWhere, kInt32);
  const Shape& shape = image.shape();
  check_places(places, {shape[0], shape[1], places.shape()[2], places.shape()[3], shape[4]}, s.plane);
  Array out = Array::empty(places.shape());
  const float* source = image.data<float>();
  const auto* place = places.data<std::int32_t>();
  float* target = out.mutable_data<float>();
  for_each_block(to, [&](auto block, std::int64_t, std::int64_t first) SCONCE_ALWAYS_INLINE {
    constexpr int kBlock = decltype(block)::value;
    const float* plane = source + first / std::max<std::int64_t>(to.plane, 1) * s.plane;
    for (std::int64_t i = first; i < first + to.plane * kBlock; i += kBlock) {
      for (int c = 0; c < kBlock; ++c) {
        target[i + c] = place[i + c] >= 0 ? plane[std::int64_t{place[i + c]} * kBlock + c] : 0;
      }
    }
  });
  return out;
}

}  // namespace sconce::kernels::blocked
