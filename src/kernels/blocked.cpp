#include "sconce/kernels/blocked.h"

#include <algorithm>

#include "kernels/blocks.h"
#include "kernels/conv_sizes.h"
#include "kernels/dnnl/conv.h"
#include "kernels/isa.h"
#include "kernels/multiversion.h"
#include "kernels/operands.h"
#include "sconce/base/parallel.h"
#include "sconce/kernels/backend.h"

namespace sconce::kernels::blocked {
namespace {

constexpr const char* kWhere = "blocks";

// One block of an image, plane by plane or pixel by pixel.
template <int kBlock, class T>
SCONCE_ALWAYS_INLINE inline void interleave(const T* planes, std::int64_t plane, T* pixels) {
  for (std::int64_t i = 0; i < plane; ++i) {
    for (int c = 0; c < kBlock; ++c) pixels[i * kBlock + c] = planes[c * plane + i];
  }
}

template <int kBlock, class T>
SCONCE_ALWAYS_INLINE inline void separate(const T* pixels, std::int64_t plane, T* planes) {
  for (int c = 0; c < kBlock; ++c) {
    for (std::int64_t i = 0; i < plane; ++i) planes[c * plane + i] = pixels[i * kBlock + c];
  }
}

// Numbers, or places of numbers.
template <class Visitor>
void visit_moved(DType dtype, const Visitor& visitor) {
  if (dtype == kInt32) return visitor(std::type_identity<std::int32_t>{});
  if (dtype == kFloat32) return visitor(std::type_identity<float>{});
  fail_dtype(kWhere, dtype);
}

// (N, C, H, W) of an image in planes or blocks.
Shape shape_of(const Array& image) { return image.rank() == 5 ? plain_shape(image) : image.shape(); }

void check_grad(const Array& grad, const ConvSizes& sizes) {
  require(shape_of(grad) == sizes.output_shape(), ErrorCode::kShapeMismatch, "conv2d",
          "expected a gradient of shape ", sizes.output_shape(), ", found ", shape_of(grad));
}

}  // namespace

std::int64_t block_size() {
  switch (isa()) {
    case Isa::kAvx512:
      return 16;
    case Isa::kAvx2:
      return 8;
    case Isa::kPlain:
      break;
  }
  return 0;
}

bool fits(const Shape& image) {
  const std::int64_t block = block_size();
  return block > 0 && image.size() == 4 && image[1] > 0 && image[1] % block == 0;
}

Shape plain_shape(const Array& blocked) {
  const Blocks s = blocks_of(blocked, kWhere, blocked.dtype());
  return {s.batch, s.channels(), blocked.shape()[2], blocked.shape()[3]};
}

Array from_plain(const Array& image) {
  const Shape& shape = image.shape();
  require(fits(shape), ErrorCode::kInvalidArgument, kWhere,
          "expected an image (N, C, H, W) of whole blocks of ", block_size(), " channels, found ", shape);
  const Array planes = image.contiguous();
  Array out =
      Array::empty({shape[0], shape[1] / block_size(), shape[2], shape[3], block_size()}, image.dtype());
  const Blocks s = blocks_of(out, kWhere, image.dtype());
  visit_moved(image.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* from = planes.data<T>();
    T* to = out.mutable_data<T>();
    for_each_block(s, [&](auto block, std::int64_t, std::int64_t first) SCONCE_ALWAYS_INLINE {
      interleave<decltype(block)::value>(from + first, s.plane, to + first);
    });
  });
  return out;
}

Array to_plain(const Array& blocked) {
  const Blocks s = blocks_of(blocked, kWhere, blocked.dtype());
  Array out = Array::empty(plain_shape(blocked), blocked.dtype());
  visit_moved(blocked.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* from = blocked.data<T>();
    T* to = out.mutable_data<T>();
    for_each_block(s, [&](auto block, std::int64_t, std::int64_t first) SCONCE_ALWAYS_INLINE {
      separate<decltype(block)::value>(from + first, s.plane, to + first);
    });
  });
  return out;
}

bool takes_conv2d(DType dtype, const Shape& image, const Shape& weight, const Conv2dParams& params) {
  // oneDNN's kernels for the first convolution of a network read so few planes as they are.
  constexpr std::int64_t kMostPlanes = 3;
  const std::int64_t block = block_size();
  if (block == 0 || dtype != kFloat32 || backend() == Backend::kReference || params.groups != 1) return false;
  return weight.size() == 4 && weight[0] > 0 && weight[0] % block == 0 && image.size() == 4 &&
         (image[1] % block == 0 || image[1] <= kMostPlanes);
}

Array conv2d(const Array& image, const Array& weight, const Array& bias, const Conv2dParams& params,
             bool is_inference) {
  const ConvSizes sizes = conv_sizes(shape_of(image), weight.shape(), params);
  check_same_dtype(image, {&weight, &bias}, "conv2d");
  check_bias(bias, sizes);
  const auto use = is_inference ? onednn::Use::kInference : onednn::Use::kTraining;
  return onednn::conv2d(sizes, image, weight, bias, block_size(), use);
}

Array conv2d_backward_input(const Array& grad, const Array& weight, const Shape& image_shape,
                            const Conv2dParams& params) {
  const ConvSizes sizes = conv_sizes(image_shape, weight.shape(), params);
  check_grad(grad, sizes);
  check_same_dtype(grad, {&weight}, "conv2d");
  return onednn::conv2d_backward_input(sizes, grad, weight, fits(image_shape) ? block_size() : 0);
}

Array conv2d_backward_weight(const Array& grad, const Array& image, const Shape& weight_shape,
                             const Conv2dParams& params) {
  const ConvSizes sizes = conv_sizes(shape_of(image), weight_shape, params);
  check_grad(grad, sizes);
  check_same_dtype(grad, {&image}, "conv2d");
  return onednn::conv2d_backward_weight(sizes, grad, image);
}

Array conv2d_backward_bias(const Array& grad) {
  const Blocks s = blocks_of(grad, "conv2d");
  const float* g = grad.data<float>();
  const auto [sums] =
      channel_sums(s, [g](std::int64_t, std::int64_t i) SCONCE_ALWAYS_INLINE { return double{g[i]}; });
  Array out = Array::empty({s.channels()});
  std::transform(sums.begin(), sums.end(), out.mutable_data<float>(),
                 [](double sum) { return static_cast<float>(sum); });
  return out;
}

}  // namespace sconce::kernels::blocked
