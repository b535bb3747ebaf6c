#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/operands.h"
#include "kernels/pool_2x2.h"
#include "kernels/pool_places.h"
#include "kernels/pool_planes.h"
#include "sconce/base/checked.h"
#include "sconce/kernels/backend.h"
#include "sconce/kernels/pool.h"

namespace sconce::kernels {

Pair pooled_size(const Shape& image, const Window& window, bool ceil_mode, std::string_view where) {
  check_image(image, where);
  check_window(window, where);
  const Pair& k = window.kernel;
  const Pair& p = window.padding;
  const Pair& d = window.dilation;
  // More padding could leave a window without any pixel.
  require(p.h <= (d.h * (k.h - 1) + 1) / 2 && p.w <= (d.w * (k.w - 1) + 1) / 2, ErrorCode::kInvalidArgument,
          where, "expected a padding of at most half the kernel's reach, found padding (", p.h, ", ", p.w,
          "), kernel (", k.h, ", ", k.w, ")");
  const Pair out{window_count(image[2], k.h, window.stride.h, p.h, d.h, ceil_mode),
                 window_count(image[3], k.w, window.stride.w, p.w, d.w, ceil_mode)};
  require(out.h > 0 && out.w > 0, ErrorCode::kShapeMismatch, where,
          "expected an image at least as large as the kernel, found image ", image, ", kernel (", k.h, ", ",
          k.w, ")");
  return out;
}

namespace {

constexpr const char* kWhere = "max_pool2d";

using Plane = PooledPlane;

// `value` replaces `best`, which comes before it: the first of equals stays and NaN wins.
template <class T>
bool beats(T value, T best) {
  return value > best || std::isnan(value);
}

// With `rising`, of relu.
template <class T>
void pool_plane(const T* in, T* out, std::int32_t* where, std::int32_t* rising, const Plane& s,
                const Window& w) {
  for (std::int64_t oy = 0; oy < s.out_height; ++oy) {
    for (std::int64_t ox = 0; ox < s.out_width; ++ox, ++out, ++where) {
      std::int64_t top = oy * w.stride.h - w.padding.h;
      std::int64_t left = ox * w.stride.w - w.padding.w;
      const std::int64_t bottom = std::min(top + (w.kernel.h - 1) * w.dilation.h + 1, s.height);
      const std::int64_t right = std::min(left + (w.kernel.w - 1) * w.dilation.w + 1, s.width);
      while (top < 0) top += w.dilation.h;
      while (left < 0) left += w.dilation.w;
      T best = -std::numeric_limits<T>::infinity();
      // Dilation can step over a small image: such a window has no pixel and no place.
      const std::int64_t first = top < bottom && left < right ? top * s.width + left : kNoPlace;
      std::int64_t place = first;
      for (std::int64_t y = top; y < bottom; y += w.dilation.h) {
        for (std::int64_t x = left; x < right; x += w.dilation.w) {
          const T value = in[y * s.width + x];
          if (beats(value, best)) {
            best = value;
            place = y * s.width + x;
          }
        }
      }
      if (rising != nullptr) {
        // Where the largest is no more than 0, relu makes all of them 0, and the first of equals wins.
        const bool is_flat = best <= T(0);
        *rising++ = is_flat ? kNoPlace : static_cast<std::int32_t>(place);
        if (is_flat && first != kNoPlace) best = T(0);
        if (is_flat) place = first;
      }
      *out = best;
      *where = static_cast<std::int32_t>(place);
    }
  }
}

// 2x2 windows, one beside the other, none of which leaves the image.
bool is_side_by_side(const Window& window, const Plane& s) {
  return window.kernel == Pair(2) && window.stride == Pair(2) && window.padding == Pair(0) &&
         window.dilation == Pair(1) && s.out_height * 2 <= s.height && s.out_width * 2 <= s.width;
}

// The places of a plane fit 32 bits.
void check_plane(std::int64_t plane) {
  require(plane <= std::numeric_limits<std::int32_t>::max(), ErrorCode::kLimit, kWhere,
          "expected planes of fewer than 2^31 elements, found one of ", plane);
}

ReluMaxPool2dResult pooled(const Array& image, const Window& window, bool ceil_mode, bool has_relu) {
  const Pair size = pooled_size(image.shape(), window, ceil_mode, kWhere);
  const Shape& shape = image.shape();
  const Shape out_shape{shape[0], shape[1], size.h, size.w};
  check_plane(shape[2] * shape[3]);
  ReluMaxPool2dResult result{Array::empty(out_shape, image.dtype()), Array::empty(out_shape, kInt32),
                             has_relu ? Array::empty(out_shape, kInt32) : Array()};
  const Array x = image.contiguous();
  const Plane plane{shape[2], shape[3], size.h, size.w};
  const bool simple = is_side_by_side(window, plane) && backend() != Backend::kReference;
  visit_floating(kWhere, image.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>();
    T* out = result.values.mutable_data<T>();
    auto* where = result.places.mutable_data<std::int32_t>();
    auto* rising = has_relu ? result.rising.mutable_data<std::int32_t>() : nullptr;
    const std::int64_t in_plane = shape[2] * shape[3];
    const std::int64_t out_plane = size.h * size.w;
    for_each_plane(shape, in_plane, [&](std::int64_t i) {
      const T* from = in + i * in_plane;
      const std::int64_t to = i * out_plane;
      std::int32_t* const rising_to = has_relu ? rising + to : nullptr;
      if constexpr (std::is_same_v<T, float>) {
        if (simple && has_relu) return relu_pool_plane_2x2(from, plane, out + to, where + to, rising_to);
        if (simple) return pool_plane_2x2(from, plane, out + to, where + to);
      }
      pool_plane(from, out + to, where + to, rising_to, plane, window);
    });
  });
  return result;
}

}  // namespace

MaxPool2dResult max_pool2d(const Array& image, const Window& window, bool ceil_mode) {
  ReluMaxPool2dResult result = pooled(image, window, ceil_mode, false);
  return {std::move(result.values), std::move(result.places)};
}

ReluMaxPool2dResult relu_max_pool2d(const Array& image, const Window& window, bool ceil_mode) {
  return pooled(image, window, ceil_mode, true);
}

Array max_pool2d_backward(const Array& grad, const Array& places, const Shape& image_shape,
                          const Window& window) {
  check_image(image_shape, kWhere);
  check_image(grad.shape(), kWhere);
  require(grad.shape()[0] == image_shape[0] && grad.shape()[1] == image_shape[1], ErrorCode::kShapeMismatch,
          kWhere, "expected a gradient for image ", image_shape, ", found ", grad.shape());
  const std::int64_t in_plane = image_shape[2] * image_shape[3];
  const std::int64_t out_plane = grad.shape()[2] * grad.shape()[3];
  const Array where = places.contiguous();
  check_places(where, grad.shape(), in_plane);
  const Array g = grad.contiguous();
  const Plane plane{image_shape[2], image_shape[3], grad.shape()[2], grad.shape()[3]};
  const bool simple =
      grad.dtype() == kFloat32 && is_side_by_side(window, plane) && backend() != Backend::kReference;
  const bool covered = simple && plane.out_height * 2 == plane.height && plane.out_width * 2 == plane.width;
  Array out = covered ? Array::empty(image_shape, grad.dtype()) : Array::zeros(image_shape, grad.dtype());
  visit_floating(kWhere, grad.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* source = g.data<T>();
    const auto* place = where.data<std::int32_t>();
    T* target = out.mutable_data<T>();
    for_each_plane(image_shape, in_plane, [&](std::int64_t i) {
      if constexpr (std::is_same_v<T, float>) {
        if (simple) {
          return unpool_plane_2x2(source + i * out_plane, place + i * out_plane, plane,
                                  target + i * in_plane);
        }
      }
      for (std::int64_t k = i * out_plane; k < (i + 1) * out_plane; ++k) {
        if (place[k] != kNoPlace) target[i * in_plane + place[k]] += source[k];
      }
    });
  });
  return out;
}

Array max_pool2d_gather(const Array& image, const Array& places) {
  check_image(image.shape(), kWhere);
  check_image(places.shape(), kWhere);
  const Shape& shape = image.shape();
  const std::int64_t in_plane = shape[2] * shape[3];
  const std::int64_t out_plane = places.shape()[2] * places.shape()[3];
  const Array where = places.contiguous();
  check_places(where, {shape[0], shape[1], places.shape()[2], places.shape()[3]}, in_plane);
  const Array x = image.contiguous();
  Array out = Array::empty(places.shape(), image.dtype());
  visit_floating(kWhere, image.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* source = x.data<T>();
    const auto* place = where.data<std::int32_t>();
    T* target = out.mutable_data<T>();
    for_each_plane(shape, out_plane, [&](std::int64_t i) {
      for (std::int64_t k = i * out_plane; k < (i + 1) * out_plane; ++k) {
        target[k] = place[k] != kNoPlace ? source[i * in_plane + place[k]] : T(0);
      }
    });
  });
  return out;
}

}  // namespace sconce::kernels
