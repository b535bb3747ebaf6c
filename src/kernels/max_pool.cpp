#include <cmath>
#include <limits>

#include "kernels/operands.h"
#include "kernels/pool_planes.h"
#include "sconce/base/checked.h"
#include "sconce/kernels/backend.h"
#include "sconce/kernels/pool.h"

namespace sconce::kernels {

Pair pooled_size(const Shape& image, const Window& window, bool ceil_mode, const char* where) {
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
          "expected an image at least as large as the kernel, found image ", image.str(), ", kernel (", k.h,
          ", ", k.w, ")");
  return out;
}

namespace {

constexpr const char* kWhere = "max_pool2d";
constexpr std::int64_t kNoPlace = -1;

struct Plane {
  std::int64_t height, width, out_height, out_width;
};

// `value` replaces `best`, which comes before it: the first of equals stays and NaN wins.
template <class T>
bool beats(T value, T best) {
  return value > best || std::isnan(value);
}

template <class T>
void pool_plane(const T* in, T* out, std::int64_t* where, const Plane& s, const Window& w) {
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
      std::int64_t place = top < bottom && left < right ? top * s.width + left : kNoPlace;
      for (std::int64_t y = top; y < bottom; y += w.dilation.h) {
        for (std::int64_t x = left; x < right; x += w.dilation.w) {
          const T value = in[y * s.width + x];
          if (beats(value, best)) {
            best = value;
            place = y * s.width + x;
          }
        }
      }
      *out = best;
      *where = place;
    }
  }
}

// The common case, 2x2 windows side by side, without branches. Gives what pool_plane gives.
template <class T>
void pool_plane_2x2(const T* in, T* out, std::int64_t* where, const Plane& s) {
  for (std::int64_t oy = 0; oy < s.out_height; ++oy) {
    const std::int64_t top = 2 * oy * s.width;
    const T* above = in + top;
    const T* below = above + s.width;
    for (std::int64_t ox = 0; ox < s.out_width; ++ox, ++out, ++where) {
      const std::int64_t left = 2 * ox;
      T best = above[left];
      std::int64_t place = top + left;
      const auto offer = [&](T value, std::int64_t at) {
        const bool wins = beats(value, best);
        best = wins ? value : best;
        place = wins ? at : place;
      };
      offer(above[left + 1], top + left + 1);
      offer(below[left], top + s.width + left);
      offer(below[left + 1], top + s.width + left + 1);
      *out = best;
      *where = place;
    }
  }
}

// Every index must lie inside the plane: they come from the caller.
void check_indices(const Array& indices, const Shape& like, std::int64_t plane) {
  require(indices.dtype() == kInt64, ErrorCode::kDTypeMismatch, kWhere, "expected int64 indices, found ",
          indices.dtype());
  require(indices.shape() == like, ErrorCode::kShapeMismatch, kWhere, "expected indices of shape ",
          like.str(), ", found ", indices.shape().str());
  const std::int64_t* index = indices.data<std::int64_t>();
  for (std::int64_t i = 0; i < indices.numel(); ++i) {
    require(index[i] >= kNoPlace && index[i] < plane, ErrorCode::kIndexOutOfRange, kWhere,
            "expected indices inside a plane of ", plane, " elements, found ", index[i]);
  }
}

}  // namespace

MaxPool2dResult max_pool2d(const Array& image, const Window& window, bool ceil_mode) {
  const Pair size = pooled_size(image.shape(), window, ceil_mode, kWhere);
  const Shape& shape = image.shape();
  const Shape out_shape{shape[0], shape[1], size.h, size.w};
  MaxPool2dResult result{Array::empty(out_shape, image.dtype()), Array::empty(out_shape, kInt64)};
  const Array x = image.contiguous();
  const Plane plane{shape[2], shape[3], size.h, size.w};
  const bool side_by_side = window.kernel == Pair(2) && window.stride == Pair(2) &&
                            window.padding == Pair(0) && window.dilation == Pair(1) &&
                            size.h * 2 <= shape[2] && size.w * 2 <= shape[3];
  const bool simple = side_by_side && backend() == Backend::kDefault;
  visit_floating(kWhere, image.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>();
    T* out = result.values.mutable_data<T>();
    auto* where = result.indices.mutable_data<std::int64_t>();
    const std::int64_t in_plane = shape[2] * shape[3];
    const std::int64_t out_plane = size.h * size.w;
    for_each_plane(shape, in_plane, [&](std::int64_t i) {
      if (simple) {
        pool_plane_2x2(in + i * in_plane, out + i * out_plane, where + i * out_plane, plane);
      } else {
        pool_plane(in + i * in_plane, out + i * out_plane, where + i * out_plane, plane, window);
      }
    });
  });
  return result;
}

Array max_pool2d_backward(const Array& grad, const Array& indices, const Shape& image_shape) {
  check_image(image_shape, kWhere);
  check_image(grad.shape(), kWhere);
  require(grad.shape()[0] == image_shape[0] && grad.shape()[1] == image_shape[1], ErrorCode::kShapeMismatch,
          kWhere, "expected a gradient for image ", image_shape.str(), ", found ", grad.shape().str());
  const std::int64_t in_plane = image_shape[2] * image_shape[3];
  const std::int64_t out_plane = grad.shape()[2] * grad.shape()[3];
  const Array places = indices.contiguous();
  check_indices(places, grad.shape(), in_plane);
  const Array g = grad.contiguous();
  Array out = Array::zeros(image_shape, grad.dtype());
  visit_floating(kWhere, grad.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* source = g.data<T>();
    const auto* place = places.data<std::int64_t>();
    T* target = out.mutable_data<T>();
    for_each_plane(image_shape, in_plane, [&](std::int64_t i) {
      for (std::int64_t k = i * out_plane; k < (i + 1) * out_plane; ++k) {
        if (place[k] != kNoPlace) target[i * in_plane + place[k]] += source[k];
      }
    });
  });
  return out;
}

Array max_pool2d_gather(const Array& image, const Array& indices) {
  check_image(image.shape(), kWhere);
  check_image(indices.shape(), kWhere);
  const Shape& shape = image.shape();
  const std::int64_t in_plane = shape[2] * shape[3];
  const std::int64_t out_plane = indices.shape()[2] * indices.shape()[3];
  const Array places = indices.contiguous();
  check_indices(places, {shape[0], shape[1], indices.shape()[2], indices.shape()[3]}, in_plane);
  const Array x = image.contiguous();
  Array out = Array::empty(indices.shape(), image.dtype());
  visit_floating(kWhere, image.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* source = x.data<T>();
    const auto* place = places.data<std::int64_t>();
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
