#include "sconce/data/transforms.h"

#include <algorithm>
#include <utility>

namespace sconce::data {
namespace {

void require_image(const Array& image, const char* where) {
  require(image.rank() == 3, ErrorCode::kShapeMismatch, where,
          "expected an image (channels, height, width), found shape ", image.shape());
}

}  // namespace

Transform to_float() {
  return [](const Array& image, Generator&) {
    require(image.dtype() == kUInt8, ErrorCode::kDTypeMismatch, "to_float", "expected a uint8 image, found ",
            image.dtype());
    const Array dense = image.contiguous();
    Array out = Array::empty(image.shape());
    const auto* const from = dense.data<std::uint8_t>();
    auto* const to = out.mutable_data<float>();
    for (std::int64_t i = 0; i < out.numel(); ++i) to[i] = static_cast<float>(from[i]) / 255.0F;
    return out;
  };
}

Transform normalize(std::vector<double> mean, std::vector<double> std) {
  require(mean.size() == std.size(), ErrorCode::kInvalidArgument, "normalize",
          "expected as many means as stds, found ", mean.size(), " and ", std.size());
  require(std::find(std.begin(), std.end(), 0.0) == std.end(), ErrorCode::kInvalidArgument, "normalize",
          "a standard deviation is 0");
  return [mean = std::move(mean), std = std::move(std)](const Array& image, Generator&) {
    require_image(image, "normalize");
    require(image.dtype() == kFloat32, ErrorCode::kDTypeMismatch, "normalize",
            "expected a float32 image, found ", image.dtype(), "; put to_float first");
    require(static_cast<std::size_t>(image.size(0)) == mean.size(), ErrorCode::kShapeMismatch, "normalize",
            "expected ", mean.size(), " channels, image has ", image.size(0));
    Array out = image.clone();
    auto* value = out.mutable_data<float>();
    const std::int64_t plane = image.size(1) * image.size(2);
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const auto m = static_cast<float>(mean[c]);
      const auto s = static_cast<float>(std[c]);
      for (std::int64_t i = 0; i < plane; ++i, ++value) *value = (*value - m) / s;
    }
    return out;
  };
}

Transform random_crop(std::int64_t size, std::int64_t padding) {
  require(size >= 1 && padding >= 0, ErrorCode::kInvalidArgument, "random_crop",
          "expected a size of 1 or more and padding of 0 or more, found ", size, " and ", padding);
  return [size, padding](const Array& image, Generator& generator) {
    require_image(image, "random_crop");
    const std::int64_t rows = image.size(1) + 2 * padding - size;
    const std::int64_t columns = image.size(2) + 2 * padding - size;
    require(rows >= 0 && columns >= 0, ErrorCode::kShapeMismatch, "random_crop", "a window of ", size,
            " does not fit image ", image.shape(), " with padding ", padding);
    std::int64_t top = 0;
    std::int64_t left = 0;
    if (rows != 0 || columns != 0) {
      top = generator.r32() % (rows + 1);
      left = generator.r32() % (columns + 1);
    }
    Array out = Array::zeros({image.size(0), size, size}, image.dtype());
    // The rectangle of the image that the window sees, moved by the padding.
    const std::int64_t first_row = std::max<std::int64_t>(top, padding);
    const std::int64_t first_column = std::max<std::int64_t>(left, padding);
    const std::int64_t height = std::min(top + size, padding + image.size(1)) - first_row;
    const std::int64_t width = std::min(left + size, padding + image.size(2)) - first_column;
    if (height > 0 && width > 0) {
      out.narrow(1, first_row - top, height)
          .narrow(2, first_column - left, width)
          .copy_from(image.narrow(1, first_row - padding, height).narrow(2, first_column - padding, width));
    }
    return out;
  };
}

Transform random_horizontal_flip(double p) {
  require(p >= 0 && p <= 1, ErrorCode::kInvalidArgument, "random_horizontal_flip",
          "expected 0 <= p <= 1, found ", p);
  return [p](const Array& image, Generator& generator) {
    require_image(image, "random_horizontal_flip");
    if (!(static_cast<double>(generator.uniform24()) < p)) return image;
    Array out = Array::empty(image.shape(), image.dtype());
    const std::int64_t width = image.size(2);
    for (std::int64_t x = 0; x < width; ++x) out.select(2, x).copy_from(image.select(2, width - 1 - x));
    return out;
  };
}

Transform compose(std::vector<Transform> transforms) {
  return [transforms = std::move(transforms)](const Array& image, Generator& generator) {
    Array out = image;
    for (const Transform& transform : transforms) out = transform(out, generator);
    return out;
  };
}

}  // namespace sconce::data
