#include "sconce/kernels/conv.h"

#include <algorithm>

#include "kernels/conv_sizes.h"
#include "kernels/direct/choice.h"
#include "kernels/direct/conv.h"
#include "kernels/direct/conv_sparse.h"
#include "kernels/dnnl/conv.h"
#include "kernels/multiversion.h"
#include "kernels/operands.h"
#include "sconce/base/parallel.h"
#include "sconce/kernels/backend.h"

namespace sconce::kernels {
namespace {

using direct::Loops;

// Below this many multiplications the plain loops finish before the others have started.
constexpr double kSmallestForFast = 4096;

// Whether a fast path may be taken; every one may still decline a shape.
bool is_fast(const ConvSizes& sizes, DType dtype) {
  return dtype == kFloat32 && sizes.work() >= kSmallestForFast && backend() != Backend::kReference;
}

void check_grad(const Array& grad, const ConvSizes& sizes) {
  require(grad.shape() == sizes.output_shape(), ErrorCode::kShapeMismatch, "conv2d",
          "expected a gradient of shape ", sizes.output_shape(), ", found ", grad.shape());
}

}  // namespace

ConvSizes conv_sizes(const Shape& image, const Shape& weight, const Conv2dParams& params) {
  const char* const where = "conv2d";
  require(image.size() == 4, ErrorCode::kShapeMismatch, where,
          "expected an image of shape (N, C, H, W), found ", image);
  require(weight.size() == 4, ErrorCode::kShapeMismatch, where,
          "expected a weight of shape (O, C / groups, KH, KW), found ", weight);
  const Window window{{weight[2], weight[3]}, params.stride, params.padding, params.dilation};
  check_window(window, where);
  const std::int64_t groups = params.groups;
  require(groups >= 1 && weight[0] % groups == 0 && weight[0] > 0, ErrorCode::kInvalidArgument, where,
          "expected groups that divide ", weight[0], " output channels, found ", groups);
  require(image[1] == weight[1] * groups, ErrorCode::kShapeMismatch, where, "weight expects ",
          weight[1] * groups, " input channels, image has ", image[1], " (image ", image, ", weight ", weight,
          groups > 1 ? cat(", groups ", groups) : "", ")");
  const auto count = [&](std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                         std::int64_t dilation) {
    return window_count(size, kernel, stride, padding, dilation, false);
  };
  const Pair out{count(image[2], weight[2], params.stride.h, params.padding.h, params.dilation.h),
                 count(image[3], weight[3], params.stride.w, params.padding.w, params.dilation.w)};
  require(out.h > 0 && out.w > 0, ErrorCode::kShapeMismatch, where,
          "expected an image at least as large as the kernel, found image ", image, ", weight ", weight,
          ", padding (", params.padding.h, ", ", params.padding.w, "), dilation (", params.dilation.h, ", ",
          params.dilation.w, ")");
  return {image[0], image[1], weight[0], {image[2], image[3]}, out, window.kernel, params};
}

void check_bias(const Array& bias, const ConvSizes& sizes) {
  if (!bias.defined()) return;
  require(bias.shape() == Shape{sizes.out_channels}, ErrorCode::kShapeMismatch, "conv2d",
          "expected a bias of shape (", sizes.out_channels, ",), found ", bias.shape());
}

Shape conv2d_shape(const Shape& image, const Shape& weight, const Conv2dParams& params) {
  return conv_sizes(image, weight, params).output_shape();
}

Array conv2d(const Array& image, const Array& weight, const Array& bias, const Conv2dParams& params) {
  const ConvSizes sizes = conv_sizes(image.shape(), weight.shape(), params);
  check_same_dtype(image, {&weight, &bias}, "conv2d");
  check_bias(bias, sizes);
  if (is_fast(sizes, image.dtype())) {
    if (direct::forward_loops(sizes) == Loops::kDense) return direct::conv2d(sizes, image, weight, bias);
    Array out = onednn::conv2d(sizes, image, weight, bias);
    if (out.defined()) return out;
  }
  return reference::conv2d(image, weight, bias, params);
}

Array conv2d_backward_input(const Array& grad, const Array& weight, const Shape& image_shape,
                            const Conv2dParams& params) {
  const ConvSizes sizes = conv_sizes(image_shape, weight.shape(), params);
  check_grad(grad, sizes);
  check_same_dtype(grad, {&weight}, "conv2d");
  if (is_fast(sizes, grad.dtype())) {
    const Loops loops = direct::backward_input_loops(sizes, grad);
    Array out;
    if (loops == Loops::kSparse) out = direct::sparse_backward_input(sizes, grad, weight);
    if (loops == Loops::kDense) out = direct::conv2d_backward_input(sizes, grad, weight);
    if (!out.defined()) out = onednn::conv2d_backward_input(sizes, grad, weight);
    if (out.defined()) return out;
  }
  return reference::conv2d_backward_input(grad, weight, image_shape, params);
}

Array conv2d_backward_weight(const Array& grad, const Array& image, const Shape& weight_shape,
                             const Conv2dParams& params) {
  const ConvSizes sizes = conv_sizes(image.shape(), weight_shape, params);
  check_grad(grad, sizes);
  check_same_dtype(grad, {&image}, "conv2d");
  if (is_fast(sizes, grad.dtype())) {
    const Loops loops = direct::backward_weight_loops(sizes, grad);
    if (loops == Loops::kSparse) return direct::sparse_backward_weight(sizes, grad, image);
    Array out;
    if (loops == Loops::kDense) out = direct::conv2d_backward_weight(sizes, grad, image);
    if (!out.defined()) out = onednn::conv2d_backward_weight(sizes, grad, image);
    if (out.defined()) return out;
  }
  return reference::conv2d_backward_weight(grad, image, weight_shape, params);
}

Array conv2d_backward_bias(const Array& grad) {
  require(grad.rank() == 4, ErrorCode::kShapeMismatch, "conv2d",
          "expected a gradient of shape (N, O, OH, OW), found ", grad.shape());
  const std::int64_t batch = grad.shape()[0];
  const std::int64_t channels = grad.shape()[1];
  const std::int64_t plane = grad.shape()[2] * grad.shape()[3];
  Array out = Array::empty({channels}, grad.dtype());
  const Array g = grad.contiguous();
  visit_floating("conv2d", grad.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* source = g.data<T>();
    T* target = out.mutable_data<T>();
    const std::int64_t grain = std::max<std::int64_t>(1, 65536 / std::max<std::int64_t>(batch * plane, 1));
    parallel_for(channels, grain, [&](std::int64_t begin, std::int64_t end) {
      multiversion([&]() SCONCE_ALWAYS_INLINE {
        for (std::int64_t c = begin; c < end; ++c) {
          // Independent lanes let the compiler use vector registers without reordering a sum behind our back.
          constexpr std::int64_t kLanes = 8;
          double lanes[kLanes] = {};
          for (std::int64_t n = 0; n < batch; ++n) {
            const T* row = source + (n * channels + c) * plane;
            for (std::int64_t i = 0; i + kLanes <= plane; i += kLanes) {
              for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += row[i + lane];
            }
            for (std::int64_t i = plane - plane % kLanes; i < plane; ++i) lanes[i % kLanes] += row[i];
          }
          double sum = 0;
          for (const double lane : lanes) sum += lane;
          target[c] = static_cast<T>(sum);
        }
      });
    });
  });
  return out;
}

}  // namespace sconce::kernels
