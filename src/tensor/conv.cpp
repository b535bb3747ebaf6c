#include "sconce/tensor/conv.h"

#include "sconce/tensor/autograd.h"
#include "sconce/tensor/reduce.h"
#include "tensor/in_blocks.h"
#include "tensor/operand.h"
#include "tensor/unseen.h"

namespace sconce {
namespace {

namespace blocked = kernels::blocked;

bool takes_blocks(const Tensor& weight, const Shape& image_shape, const Conv2dParams& params) {
  return blocked::takes_conv2d(weight.dtype(), image_shape, weight.shape(), params);
}

// The gradient of the bias; the recorded form is only needed for second derivatives.
Tensor bias_gradient(const Tensor& grad) {
  if (is_grad_enabled()) return sum(grad, Dims{0, 2, 3});
  if (const Array* blocks = InBlocks::find(grad)) return blocked::conv2d_backward_bias(*blocks);
  return kernels::conv2d_backward_bias(grad.array());
}

Tensor convolved(const Tensor& image, const Tensor& weight, const Tensor& bias, const Conv2dParams& params) {
  if (takes_blocks(weight, image.shape(), params)) {
    const Array out = blocked::conv2d(InBlocks::any(image), weight.array(), array_or_none(bias), params,
                                      !is_grad_enabled());
    if (out.defined()) return InBlocks::made(out);
  }
  return Unseen::made(kernels::conv2d(image.array(), weight.array(), array_or_none(bias), params));
}

Tensor input_gradient(const Tensor& grad, const Tensor& weight, const Shape& image_shape,
                      const Conv2dParams& params) {
  if (takes_blocks(weight, image_shape, params)) {
    const Array out =
        blocked::conv2d_backward_input(InBlocks::any(grad), weight.array(), image_shape, params);
    if (out.defined()) return blocked::fits(image_shape) ? InBlocks::made(out) : Tensor(out);
  }
  return kernels::conv2d_backward_input(grad.array(), weight.array(), image_shape, params);
}

Tensor weight_gradient(const Tensor& grad, const Tensor& image, const Shape& weight_shape,
                       const Conv2dParams& params) {
  if (blocked::takes_conv2d(grad.dtype(), image.shape(), weight_shape, params)) {
    Array out =
        blocked::conv2d_backward_weight(InBlocks::any(grad), InBlocks::any(image), weight_shape, params);
    if (out.defined()) return out;
  }
  return kernels::conv2d_backward_weight(grad.array(), image.array(), weight_shape, params);
}

}  // namespace

Tensor conv2d(const Tensor& image, const Tensor& weight, const Tensor& bias, const Conv2dParams& params) {
  if (image.rank() == 3) return conv2d(image.unsqueeze(0), weight, bias, params).squeeze(0);
  Tensor out = convolved(image, weight, bias, params);
  if (needs_grad(image, weight, bias)) {
    record(out, "conv2d", {image, weight, bias},
           [x = Saved(image, weight.requires_grad()), w = Saved(weight, image.requires_grad()),
            image_shape = image.shape(), weight_shape = weight.shape(), params](Backward& pass) {
             const Tensor& grad = pass.grad();
             if (pass.needs(0)) pass.set(0, conv2d_backward_input(grad, w.get(pass), image_shape, params));
             if (pass.needs(1)) pass.set(1, conv2d_backward_weight(grad, x.get(pass), weight_shape, params));
             if (pass.needs(2)) pass.set(2, bias_gradient(grad));
           });
  }
  return out;
}

Tensor conv2d_backward_input(const Tensor& grad, const Tensor& weight, const Shape& image_shape,
                             const Conv2dParams& params) {
  Tensor out = input_gradient(grad, weight, image_shape, params);
  if (needs_grad(grad, weight)) {
    record(out, "conv2d_backward_input", {grad, weight},
           [g = Saved(grad, weight.requires_grad()), w = Saved(weight, grad.requires_grad()),
            weight_shape = weight.shape(), params](Backward& pass) {
             const Tensor& above = pass.grad();  // an image
             if (pass.needs(0)) pass.set(0, conv2d(above, w.get(pass), {}, params));
             if (pass.needs(1)) pass.set(1, conv2d_backward_weight(g.get(pass), above, weight_shape, params));
           });
  }
  return out;
}

Tensor conv2d_backward_weight(const Tensor& grad, const Tensor& image, const Shape& weight_shape,
                              const Conv2dParams& params) {
  Tensor out = weight_gradient(grad, image, weight_shape, params);
  if (needs_grad(grad, image)) {
    record(out, "conv2d_backward_weight", {grad, image},
           [g = Saved(grad, image.requires_grad()), x = Saved(image, grad.requires_grad()),
            image_shape = image.shape(), params](Backward& pass) {
             const Tensor& above = pass.grad();  // a weight
             if (pass.needs(0)) pass.set(0, conv2d(x.get(pass), above, {}, params));
             if (pass.needs(1)) pass.set(1, conv2d_backward_input(g.get(pass), above, image_shape, params));
           });
  }
  return out;
}

SidePadding same_padding(std::int64_t kernel, std::int64_t dilation) {
  kernels::check_window({kernel, 1, 0, dilation}, "same_padding");
  const std::int64_t total = dilation * (kernel - 1);
  return {total / 2, total - total / 2};
}

}  // namespace sconce
