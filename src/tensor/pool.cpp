#include "sconce/tensor/pool.h"

#include "sconce/kernels/pool.h"
#include "sconce/tensor/autograd.h"

namespace sconce {
namespace {

Pair stride_or_kernel(Pair stride, Pair kernel) { return stride == kSameAsKernel ? kernel : stride; }

// Pooling and its gradient are linear once the windows (and the places of the maxima) are known, and each is
// the transpose of the other: so each is the other's derivative.
template <class Down, class Up>
struct LinearPool {
  const char* name;
  Down down;  // Array (N, C, H, W) -> Array (N, C, OH, OW)
  Up up;      // its transpose

  Tensor pool(const Tensor& image) const { return linked(image, down(image.array())); }
  // `out` is what pooling `image` gives.
  Tensor linked(const Tensor& image, Tensor out) const {
    if (needs_grad(image)) {
      record(out, name, {image}, [self = *this](Backward& pass) { pass.set(0, self.spread(pass.grad())); });
    }
    return out;
  }
  Tensor spread(const Tensor& grad) const {
    Tensor out = up(grad.array());
    if (needs_grad(grad)) {
      record(out, name, {grad}, [self = *this](Backward& pass) { pass.set(0, self.pool(pass.grad())); });
    }
    return out;
  }
};

template <class Down, class Up>
LinearPool<Down, Up> linear_pool(const char* name, Down down, Up up) {
  return {name, std::move(down), std::move(up)};
}

}  // namespace

namespace {

// The pooled image (N, C, OH, OW) and the int32 places of the maxima.
std::pair<Tensor, Array> max_pool2d_with_places(const Tensor& image, Pair kernel,
                                                const MaxPool2dOptions& options) {
  const kernels::Window window{kernel, stride_or_kernel(options.stride, kernel), options.padding,
                               options.dilation};
  const auto result = kernels::max_pool2d(image.array(), window, options.ceil_mode);
  const auto taken = linear_pool(
      "max_pool2d",
      [places = result.places](const Array& x) { return kernels::max_pool2d_gather(x, places); },
      [places = result.places, shape = image.shape(), window](const Array& grad) {
        return kernels::max_pool2d_backward(grad, places, shape, window);
      });
  return {taken.linked(image, result.values), result.places};
}

}  // namespace

std::pair<Tensor, Tensor> max_pool2d_with_indices(const Tensor& image, Pair kernel,
                                                  const MaxPool2dOptions& options) {
  if (image.rank() == 3) {
    const auto [values, indices] = max_pool2d_with_indices(image.unsqueeze(0), kernel, options);
    return {values.squeeze(0), indices.squeeze(0)};
  }
  const auto [values, places] = max_pool2d_with_places(image, kernel, options);
  return {values, places.cast(kInt64)};
}

Tensor max_pool2d(const Tensor& image, Pair kernel, const MaxPool2dOptions& options) {
  if (image.rank() == 3) return max_pool2d(image.unsqueeze(0), kernel, options).squeeze(0);
  return max_pool2d_with_places(image, kernel, options).first;
}

Tensor avg_pool2d(const Tensor& image, Pair kernel, const AvgPool2dOptions& options) {
  if (image.rank() == 3) return avg_pool2d(image.unsqueeze(0), kernel, options).squeeze(0);
  const kernels::AvgPool2dParams params{
      {kernel, stride_or_kernel(options.stride, kernel), options.padding, 1},
      options.ceil_mode,
      options.count_include_pad,
      options.divisor_override};
  return linear_pool(
             "avg_pool2d", [params](const Array& x) { return kernels::avg_pool2d(x, params); },
             [params, shape = image.shape()](const Array& grad) {
               return kernels::avg_pool2d_backward(grad, shape, params);
             })
      .pool(image);
}

Tensor adaptive_avg_pool2d(const Tensor& image, Pair size) {
  if (image.rank() == 3) return adaptive_avg_pool2d(image.unsqueeze(0), size).squeeze(0);
  return linear_pool(
             "adaptive_avg_pool2d", [size](const Array& x) { return kernels::adaptive_avg_pool2d(x, size); },
             [shape = image.shape()](const Array& grad) {
               return kernels::adaptive_avg_pool2d_backward(grad, shape);
             })
      .pool(image);
}

}  // namespace sconce
