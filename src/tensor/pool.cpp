#include "sconce/tensor/pool.h"

#include "sconce/kernels/pool.h"
#include "sconce/tensor/autograd.h"
#include "tensor/in_blocks.h"
#include "tensor/scattered.h"
#include "tensor/unseen.h"

namespace sconce {
namespace {

namespace blocked = kernels::blocked;

Pair stride_or_kernel(Pair stride, Pair kernel) { return stride == kSameAsKernel ? kernel : stride; }

// Pooling and its gradient are linear once the windows (and the places of the maxima) are known, and each is
// the transpose of the other: so each is the other's derivative.
// In the layout that the image had: blocks or planes.
template <class Down, class Up>
struct LinearPool {
  std::string_view name;
  bool in_blocks;
  Down down;  // Array (N, C, H, W) -> Array (N, C, OH, OW)
  Up up;      // its transpose

  Tensor pool(const Tensor& image) const { return linked(image, run(down, image)); }
  // `out` is what pooling `image` gives.
  Tensor linked(const Tensor& image, Tensor out) const {
    if (needs_grad(image)) {
      record(out, name, {image}, [self = *this](Backward& pass) { pass.set(0, self.spread(pass.grad())); });
    }
    return out;
  }
  Tensor spread(const Tensor& grad) const {
    Tensor out = run(up, grad);
    if (needs_grad(grad)) {
      record(out, name, {grad}, [self = *this](Backward& pass) { pass.set(0, self.pool(pass.grad())); });
    }
    return out;
  }

 private:
  template <class Kernel>
  Tensor run(const Kernel& kernel, const Tensor& x) const {
    if (in_blocks) return InBlocks::made(kernel(InBlocks::of(x)));
    return kernel(x.array());
  }
};

template <class Down, class Up>
LinearPool<Down, Up> linear_pool(std::string_view name, bool in_blocks, Down down, Up up) {
  return {name, in_blocks, std::move(down), std::move(up)};
}

// The pooled image (N, C, OH, OW) and the int32 places of the maxima.
std::pair<Tensor, Array> max_pool2d_with_places(const Tensor& image, Pair kernel,
                                                const MaxPool2dOptions& options) {
  constexpr std::string_view kName = "max_pool2d";
  const kernels::Window window{kernel, stride_or_kernel(options.stride, kernel), options.padding,
                               options.dilation};
  if (const Array* blocks = InBlocks::find(image)) {
    const auto result = blocked::max_pool2d(*blocks, window, options.ceil_mode);
    const auto taken = linear_pool(
        kName, true,
        [places = result.places](const Array& x) { return blocked::max_pool2d_gather(x, places); },
        [places = result.places, shape = image.shape()](const Array& grad) {
          return blocked::max_pool2d_backward(grad, places, shape);
        });
    return {taken.linked(image, InBlocks::made(result.values)), result.places};
  }
  const auto taken_from = [&](const Array& places) {
    return linear_pool(
        kName, false, [places](const Array& x) { return kernels::max_pool2d_gather(x, places); },
        [places, shape = image.shape(), window](const Array& grad) {
          return kernels::max_pool2d_backward(grad, places, shape, window);
        });
  };
  Unseen* const unseen = Unseen::find(image);
  const Unseen::Peek peek = unseen != nullptr ? unseen->peek() : Unseen::Peek{image.array(), false};
  if (!peek.needs_relu) {
    const auto result = kernels::max_pool2d(peek.array, window, options.ceil_mode);
    return {taken_from(result.places).linked(image, result.values), result.places};
  }
  auto result = kernels::relu_max_pool2d(peek.array, window, options.ceil_mode);
  Tensor out = std::move(result.values);
  if (needs_grad(image)) {
    record(out, kName, {image},
           [taken = taken_from(result.places),
            pooled = Scattered::Pooled{Ref<Unseen>(unseen), result.places, result.rising, window}](
               Backward& pass) {
             const Tensor& grad = pass.grad();
             pass.set(0, needs_grad(grad) ? taken.spread(grad) : Scattered::made(pooled, grad.array()));
           });
  }
  return {out, result.places};
}

}  // namespace

std::pair<Tensor, Tensor> max_pool2d_with_indices(const Tensor& image, Pair kernel,
                                                  const MaxPool2dOptions& options) {
  if (image.rank() == 3) {
    const auto [values, indices] = max_pool2d_with_indices(image.unsqueeze(0), kernel, options);
    return {values.squeeze(0), indices.squeeze(0)};
  }
  const auto [values, places] = max_pool2d_with_places(image, kernel, options);
  const bool in_blocks = places.rank() == 5;
  return {values, (in_blocks ? blocked::to_plain(places) : places).cast(kInt64)};
}

Tensor max_pool2d(const Tensor& image, Pair kernel, const MaxPool2dOptions& options) {
  if (image.rank() == 3) return max_pool2d(image.unsqueeze(0), kernel, options).squeeze(0);
  return max_pool2d_with_places(image, kernel, options).first;
}

Tensor avg_pool2d(const Tensor& image, Pair kernel, const AvgPool2dOptions& options) {
  if (image.rank() == 3) return avg_pool2d(image.unsqueeze(0), kernel, options).squeeze(0);
  const bool in_blocks = InBlocks::find(image) != nullptr;
  const kernels::AvgPool2dParams params{
      {kernel, stride_or_kernel(options.stride, kernel), options.padding, 1},
      options.ceil_mode,
      options.count_include_pad,
      options.divisor_override};
  return linear_pool(
             "avg_pool2d", in_blocks,
             [params, in_blocks](const Array& x) {
               return in_blocks ? blocked::avg_pool2d(x, params) : kernels::avg_pool2d(x, params);
             },
             [params, in_blocks, shape = image.shape()](const Array& grad) {
               return in_blocks ? blocked::avg_pool2d_backward(grad, shape, params)
                                : kernels::avg_pool2d_backward(grad, shape, params);
             })
      .pool(image);
}

Tensor adaptive_avg_pool2d(const Tensor& image, Pair size) {
  if (image.rank() == 3) return adaptive_avg_pool2d(image.unsqueeze(0), size).squeeze(0);
  const bool in_blocks = InBlocks::find(image) != nullptr;
  return linear_pool(
             "adaptive_avg_pool2d", in_blocks,
             [size, in_blocks](const Array& x) {
               return in_blocks ? blocked::adaptive_avg_pool2d(x, size)
                                : kernels::adaptive_avg_pool2d(x, size);
             },
             [in_blocks, shape = image.shape()](const Array& grad) {
               return in_blocks ? blocked::adaptive_avg_pool2d_backward(grad, shape)
                                : kernels::adaptive_avg_pool2d_backward(grad, shape);
             })
      .pool(image);
}

}  // namespace sconce
