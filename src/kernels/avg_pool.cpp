#include "kernels/operands.h"
#include "kernels/pool_planes.h"
#include "sconce/kernels/blocked.h"
#include "sconce/kernels/pool.h"

namespace sconce::kernels {
namespace {

// The pixels [begin, end) of one window along one direction, and what it counts for in the divisor.
struct Extent {
  std::int64_t begin, end, count;
};

Extent extent_of(std::int64_t i, std::int64_t size, std::int64_t kernel, std::int64_t stride,
                 std::int64_t padding, bool include_padding) {
  const std::int64_t first = i * stride - padding;
  const std::int64_t last = std::min(first + kernel, size + padding);
  const std::int64_t begin = std::max<std::int64_t>(first, 0);
  const std::int64_t end = std::min(last, size);
  return {begin, end, include_padding ? last - first : end - begin};
}

Extent adaptive_extent(std::int64_t i, std::int64_t size, std::int64_t out) {
  const std::int64_t begin = i * size / out;
  const std::int64_t end = ((i + 1) * size + out - 1) / out;
  return {begin, end, end - begin};
}

// The windows of a pooling, whatever rule lays them out: extents by row and by column, and the divisor.
struct Windows {
  std::vector<Extent> rows, columns;
  std::optional<std::int64_t> divisor;

  template <class T>
  T divisor_of(const Extent& row, const Extent& column) const {
    return static_cast<T>(divisor.value_or(row.count * column.count));
  }
};

Windows average_windows(const Shape& image, const AvgPool2dParams& params) {
  const char* const where = "avg_pool2d";
  const Window& w = params.window;
  require(w.dilation == Pair(1), ErrorCode::kInvalidArgument, where, "expected no dilation, found (",
          w.dilation.h, ", ", w.dilation.w, ")");
  require(params.divisor_override != 0, ErrorCode::kInvalidArgument, where,
          "expected a divisor other than 0");
  const Pair out = pooled_size(image, w, params.ceil_mode, where);
  Windows windows{{}, {}, params.divisor_override};
  for (std::int64_t i = 0; i < out.h; ++i) {
    windows.rows.push_back(
        extent_of(i, image[2], w.kernel.h, w.stride.h, w.padding.h, params.count_include_pad));
  }
  for (std::int64_t i = 0; i < out.w; ++i) {
    windows.columns.push_back(
        extent_of(i, image[3], w.kernel.w, w.stride.w, w.padding.w, params.count_include_pad));
  }
  return windows;
}

Windows adaptive_windows(const Shape& image, Pair out) {
  const char* const where = "adaptive_avg_pool2d";
  check_image(image, where);
  require(out.h > 0 && out.w > 0, ErrorCode::kInvalidArgument, where,
          "expected a positive output size, found (", out.h, ", ", out.w, ")");
  require(image[2] > 0 && image[3] > 0, ErrorCode::kShapeMismatch, where,
          "expected an image with pixels, found ", image);
  Windows windows;
  for (std::int64_t i = 0; i < out.h; ++i) windows.rows.push_back(adaptive_extent(i, image[2], out.h));
  for (std::int64_t i = 0; i < out.w; ++i) windows.columns.push_back(adaptive_extent(i, image[3], out.w));
  return windows;
}

// An image (N, C, H, W), or in blocks (N, C / B, H, W, B): planes whose pixels have one number or several.
struct Planes {
  std::int64_t count, height, width, lanes;
  explicit Planes(const Shape& shape)
      : count(shape[0] * shape[1]),
        height(shape[2]),
        width(shape[3]),
        lanes(shape.size() == 5 ? shape[4] : 1) {}
  std::int64_t size() const { return height * width * lanes; }
};

// `shape` with other planes.
Shape with_planes(Shape shape, std::int64_t height, std::int64_t width) {
  shape[2] = height;
  shape[3] = width;
  return shape;
}

// Calls body(plane, integral_constant<int, lanes>) for every plane, over threads.
template <class Body>
void for_each_plane_of(const Planes& planes, const Body& body) {
  const auto run = [&](auto lanes) {
    for_each_plane({planes.count, 1}, planes.size(), [&](std::int64_t plane) { body(plane, lanes); });
  };
  if (planes.lanes == 8) return run(std::integral_constant<int, 8>{});
  if (planes.lanes == 16) return run(std::integral_constant<int, 16>{});
  run(std::integral_constant<int, 1>{});
}

Array average(const Array& image, const Windows& windows, std::string_view where) {
  const auto out_height = static_cast<std::int64_t>(windows.rows.size());
  const auto out_width = static_cast<std::int64_t>(windows.columns.size());
  Array out = Array::empty(with_planes(image.shape(), out_height, out_width), image.dtype());
  const Array x = image.contiguous();
  const Planes from(image.shape());
  const Planes to(out.shape());
  visit_floating(where, image.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>();
    T* result = out.mutable_data<T>();
    for_each_plane_of(from, [&](std::int64_t i, auto lanes) {
      constexpr int kLanes = decltype(lanes)::value;
      const T* source = in + i * from.size();
      T* target = result + i * to.size();
      for (const Extent& row : windows.rows) {
        for (const Extent& column : windows.columns) {
          T sum[kLanes] = {};
          for (std::int64_t y = row.begin; y < row.end; ++y) {
            for (std::int64_t c = column.begin; c < column.end; ++c) {
              const T* pixel = source + (y * from.width + c) * kLanes;
              for (int lane = 0; lane < kLanes; ++lane) sum[lane] += pixel[lane];
            }
          }
          for (int lane = 0; lane < kLanes; ++lane)
            *target++ = sum[lane] / windows.divisor_of<T>(row, column);
        }
      }
    });
  });
  return out;
}

// `image` is the shape of the image that stands as `grad` does.
Array average_backward(const Array& grad, const Shape& image, const Windows& windows,
                       std::string_view where) {
  const auto out_height = static_cast<std::int64_t>(windows.rows.size());
  const auto out_width = static_cast<std::int64_t>(windows.columns.size());
  const Shape expected = with_planes(image, out_height, out_width);
  require(grad.shape() == expected, ErrorCode::kShapeMismatch, where, "expected a gradient of shape ",
          expected, ", found ", grad.shape());
  const Array g = grad.contiguous();
  Array out = Array::zeros(image, grad.dtype());
  const Planes from(grad.shape());
  const Planes to(image);
  visit_floating(where, grad.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* gradient = g.data<T>();
    T* result = out.mutable_data<T>();
    for_each_plane_of(to, [&](std::int64_t i, auto lanes) {
      constexpr int kLanes = decltype(lanes)::value;
      const T* source = gradient + i * from.size();
      T* target = result + i * to.size();
      for (const Extent& row : windows.rows) {
        for (const Extent& column : windows.columns) {
          T share[kLanes];
          for (int lane = 0; lane < kLanes; ++lane)
            share[lane] = *source++ / windows.divisor_of<T>(row, column);
          for (std::int64_t y = row.begin; y < row.end; ++y) {
            for (std::int64_t c = column.begin; c < column.end; ++c) {
              T* pixel = target + (y * to.width + c) * kLanes;
              for (int lane = 0; lane < kLanes; ++lane) pixel[lane] += share[lane];
            }
          }
        }
      }
    });
  });
  return out;
}

}  // namespace

Array avg_pool2d(const Array& image, const AvgPool2dParams& params) {
  return average(image, average_windows(image.shape(), params), "avg_pool2d");
}

Array avg_pool2d_backward(const Array& grad, const Shape& image_shape, const AvgPool2dParams& params) {
  return average_backward(grad, image_shape, average_windows(image_shape, params), "avg_pool2d");
}

Array adaptive_avg_pool2d(const Array& image, Pair out) {
  return average(image, adaptive_windows(image.shape(), out), "adaptive_avg_pool2d");
}

Array adaptive_avg_pool2d_backward(const Array& grad, const Shape& image_shape) {
  check_image(grad.shape(), "adaptive_avg_pool2d");
  const Pair out{grad.shape()[2], grad.shape()[3]};
  return average_backward(grad, image_shape, adaptive_windows(image_shape, out), "adaptive_avg_pool2d");
}

namespace blocked {
namespace {

// (N, C, H, W) as it stands in blocks like `grad`.
Shape like(const Array& grad, const Shape& image_shape) {
  check_image(image_shape, "avg_pool2d");
  const Shape& shape = grad.shape();
  return {shape[0], shape[1], image_shape[2], image_shape[3], shape[4]};
}

}  // namespace

Array avg_pool2d(const Array& image, const AvgPool2dParams& params) {
  return average(image, average_windows(plain_shape(image), params), "avg_pool2d");
}

Array avg_pool2d_backward(const Array& grad, const Shape& image_shape, const AvgPool2dParams& params) {
  (void)plain_shape(grad);
  return average_backward(grad, like(grad, image_shape), average_windows(image_shape, params), "avg_pool2d");
}

Array adaptive_avg_pool2d(const Array& image, Pair out) {
  return average(image, adaptive_windows(plain_shape(image), out), "adaptive_avg_pool2d");
}

Array adaptive_avg_pool2d_backward(const Array& grad, const Shape& image_shape) {
  const Shape shape = plain_shape(grad);
  return average_backward(grad, like(grad, image_shape), adaptive_windows(image_shape, {shape[2], shape[3]}),
                          "adaptive_avg_pool2d");
}

}  // namespace blocked
}  // namespace sconce::kernels
