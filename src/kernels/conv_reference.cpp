// Plain loops: each output plane is a sum of shifted input planes, so the inner loop runs along a row.
#include <algorithm>

#include "kernels/conv_sizes.h"
#include "kernels/operands.h"
#include "sconce/base/parallel.h"
#include "sconce/kernels/conv.h"

namespace sconce::kernels::reference {
namespace {

// Along one direction: the outputs [begin, end) whose input lies inside the image for a tap of the kernel,
// and the input of output 0 (which may lie outside).
struct Span {
  std::int64_t begin, end, first_input;
};

Span valid_span(std::int64_t tap, std::int64_t in, std::int64_t out, std::int64_t stride,
                std::int64_t padding, std::int64_t dilation) {
  const std::int64_t first = tap * dilation - padding;
  const std::int64_t begin = first >= 0 ? 0 : (-first + stride - 1) / stride;
  const std::int64_t end = first >= in ? 0 : std::min(out, (in - 1 - first) / stride + 1);
  return {begin, end, first};
}

// Calls row(ky, kx, output offset, input offset, count) for every row of outputs each kernel tap reaches.
// Offsets count from the beginning of a plane; neighbouring inputs are `stride.w` apart.
template <class Row>
void for_each_row(const ConvSizes& s, Row&& row) {
  const Conv2dParams& p = s.params;
  for (std::int64_t ky = 0; ky < s.kernel.h; ++ky) {
    const Span ys = valid_span(ky, s.in.h, s.out.h, p.stride.h, p.padding.h, p.dilation.h);
    for (std::int64_t kx = 0; kx < s.kernel.w; ++kx) {
      const Span xs = valid_span(kx, s.in.w, s.out.w, p.stride.w, p.padding.w, p.dilation.w);
      if (xs.begin >= xs.end) continue;
      for (std::int64_t y = ys.begin; y < ys.end; ++y) {
        const std::int64_t in_y = ys.first_input + y * p.stride.h;
        row(ky, kx, y * s.out.w + xs.begin, in_y * s.in.w + xs.first_input + xs.begin * p.stride.w,
            xs.end - xs.begin);
      }
    }
  }
}

// Pieces of about 64 Ki multiplications are worth a thread.
std::int64_t grain(const ConvSizes& s, std::int64_t items) {
  const double per_item = s.work() / static_cast<double>(std::max<std::int64_t>(items, 1));
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(65536.0 / std::max(per_item, 1.0)));
}

template <class T>
void forward(const ConvSizes& s, const T* image, const T* weight, const T* bias, T* out) {
  const std::int64_t in_plane = s.in.h * s.in.w;
  const std::int64_t out_plane = s.out.h * s.out.w;
  const std::int64_t taps = s.kernel.h * s.kernel.w;
  const std::int64_t step = s.params.stride.w;
  const std::int64_t planes = s.batch * s.out_channels;
  parallel_for(planes, grain(s, planes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      const std::int64_t n = plane / s.out_channels;
      const std::int64_t o = plane % s.out_channels;
      const std::int64_t first_channel = o / s.group_out() * s.group_in();
      T* target = out + plane * out_plane;
      std::fill_n(target, out_plane, bias != nullptr ? bias[o] : T(0));
      for (std::int64_t c = 0; c < s.group_in(); ++c) {
        const T* source = image + (n * s.in_channels + first_channel + c) * in_plane;
        const T* kernel = weight + (o * s.group_in() + c) * taps;
        for_each_row(
            s, [&](std::int64_t ky, std::int64_t kx, std::int64_t to, std::int64_t from, std::int64_t count) {
              const T factor = kernel[ky * s.kernel.w + kx];
              for (std::int64_t x = 0; x < count; ++x) target[to + x] += factor * source[from + x * step];
            });
      }
    }
  });
}

template <class T>
void backward_input(const ConvSizes& s, const T* grad, const T* weight, T* image_grad) {
  const std::int64_t in_plane = s.in.h * s.in.w;
  const std::int64_t out_plane = s.out.h * s.out.w;
  const std::int64_t taps = s.kernel.h * s.kernel.w;
  const std::int64_t step = s.params.stride.w;
  const std::int64_t planes = s.batch * s.in_channels;
  parallel_for(planes, grain(s, planes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      const std::int64_t n = plane / s.in_channels;
      const std::int64_t channel = plane % s.in_channels;
      const std::int64_t group = channel / s.group_in();
      const std::int64_t c = channel % s.group_in();
      T* target = image_grad + plane * in_plane;
      std::fill_n(target, in_plane, T(0));
      for (std::int64_t o = group * s.group_out(); o < (group + 1) * s.group_out(); ++o) {
        const T* source = grad + (n * s.out_channels + o) * out_plane;
        const T* kernel = weight + (o * s.group_in() + c) * taps;
        for_each_row(
            s, [&](std::int64_t ky, std::int64_t kx, std::int64_t from, std::int64_t to, std::int64_t count) {
              const T factor = kernel[ky * s.kernel.w + kx];
              for (std::int64_t x = 0; x < count; ++x) target[to + x * step] += factor * source[from + x];
            });
      }
    }
  });
}

template <class T>
void backward_weight(const ConvSizes& s, const T* grad, const T* image, T* weight_grad) {
  const std::int64_t in_plane = s.in.h * s.in.w;
  const std::int64_t out_plane = s.out.h * s.out.w;
  const std::int64_t taps = s.kernel.h * s.kernel.w;
  const std::int64_t step = s.params.stride.w;
  const std::int64_t kernels = s.out_channels * s.group_in();
  parallel_for(kernels, grain(s, kernels), [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(taps));
    for (std::int64_t item = begin; item < end; ++item) {
      const std::int64_t o = item / s.group_in();
      const std::int64_t channel = o / s.group_out() * s.group_in() + item % s.group_in();
      std::fill(sums.begin(), sums.end(), 0.0);
      for (std::int64_t n = 0; n < s.batch; ++n) {
        const T* gradient = grad + (n * s.out_channels + o) * out_plane;
        const T* source = image + (n * s.in_channels + channel) * in_plane;
        for_each_row(
            s, [&](std::int64_t ky, std::int64_t kx, std::int64_t at, std::int64_t from, std::int64_t count) {
              double sum = 0;
              for (std::int64_t x = 0; x < count; ++x) {
                sum += static_cast<double>(gradient[at + x]) * static_cast<double>(source[from + x * step]);
              }
              sums[static_cast<std::size_t>(ky * s.kernel.w + kx)] += sum;
            });
      }
      std::transform(sums.begin(), sums.end(), weight_grad + item * taps,
                     [](double sum) { return static_cast<T>(sum); });
    }
  });
}

}  // namespace

Array conv2d(const Array& image, const Array& weight, const Array& bias, const Conv2dParams& params) {
  const ConvSizes sizes = conv_sizes(image.shape(), weight.shape(), params);
  check_same_dtype(image, {&weight, &bias}, "conv2d");
  Array out = Array::empty(sizes.output_shape(), image.dtype());
  const Array x = image.contiguous();
  const Array w = weight.contiguous();
  const Array b = bias.defined() ? bias.contiguous() : bias;
  visit_floating("conv2d", image.dtype(), [&]<class T>(std::type_identity<T>) {
    forward(sizes, x.data<T>(), w.data<T>(), data_or_null<T>(b), out.mutable_data<T>());
  });
  return out;
}

Array conv2d_backward_input(const Array& grad, const Array& weight, const Shape& image_shape,
                            const Conv2dParams& params) {
  const ConvSizes sizes = conv_sizes(image_shape, weight.shape(), params);
  check_same_dtype(grad, {&weight}, "conv2d");
  Array out = Array::empty(image_shape, grad.dtype());
  const Array g = grad.contiguous();
  const Array w = weight.contiguous();
  visit_floating("conv2d", grad.dtype(), [&]<class T>(std::type_identity<T>) {
    backward_input(sizes, g.data<T>(), w.data<T>(), out.mutable_data<T>());
  });
  return out;
}

Array conv2d_backward_weight(const Array& grad, const Array& image, const Shape& weight_shape,
                             const Conv2dParams& params) {
  const ConvSizes sizes = conv_sizes(image.shape(), weight_shape, params);
  check_same_dtype(grad, {&image}, "conv2d");
  Array out = Array::empty(weight_shape, grad.dtype());
  const Array g = grad.contiguous();
  const Array x = image.contiguous();
  visit_floating("conv2d", grad.dtype(), [&]<class T>(std::type_identity<T>) {
    backward_weight(sizes, g.data<T>(), x.data<T>(), out.mutable_data<T>());
  });
  return out;
}

}  // namespace sconce::kernels::reference
