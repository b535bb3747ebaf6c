#include "sconce/optim/clip_grad.h"

#include <cmath>

#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/grad_mode.h"
#include "sconce/tensor/indexing.h"
#include "sconce/tensor/reduce.h"

namespace sconce::optim {
namespace {

std::vector<Tensor> gradients(const std::vector<Tensor>& parameters) {
  std::vector<Tensor> out;
  for (const Tensor& parameter : parameters) {
    if (Tensor grad = parameter.grad(); grad.defined()) out.push_back(grad.detach());
  }
  return out;
}

}  // namespace

// torch/nn/utils/clip_grad.py: the norm of the norms, in the dtype of the gradients.
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm,
                      const ClipNormOptions& options) {
  const NoGradGuard no_grad;
  std::vector<Tensor> grads = gradients(parameters);
  if (grads.empty()) return 0;
  std::vector<Tensor> norms;
  norms.reserve(grads.size());
  for (const Tensor& grad : grads) norms.push_back(norm(grad, options.norm_type).to(grads.front().dtype()));
  const Tensor total = norm(stack(norms), options.norm_type);
  const double value = total.item();
  require(!options.error_if_nonfinite || std::isfinite(value), ErrorCode::kNumeric, "clip_grad_norm",
          "The total norm of order ", options.norm_type,
          " for gradients from `parameters` is non-finite, so it cannot be clipped");
  const Tensor scale = clamp(max_norm / (total + 1e-6), std::nullopt, 1.0);
  for (Tensor& grad : grads) grad.mul_(scale);
  return value;
}

void clip_grad_value(const std::vector<Tensor>& parameters, double clip_value) {
  const NoGradGuard no_grad;
  for (Tensor& grad : gradients(parameters)) grad.copy_(clamp(grad, -clip_value, clip_value));
}

}  // namespace sconce::optim
