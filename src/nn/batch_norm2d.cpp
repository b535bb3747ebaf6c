#include "sconce/nn/batch_norm2d.h"

#include "sconce/nn/init.h"
#include "sconce/state/python_text.h"
#include "sconce/tensor/batch_norm.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/grad_mode.h"

namespace sconce::nn {

BatchNorm2d::BatchNorm2d(std::int64_t num_features, const BatchNorm2dOptions& options)
    : num_features_(num_features), options_(options) {
  const Shape shape{num_features};
  const TensorOptions of_dtype{.dtype = options.dtype};
  if (options.affine) {
    weight = Parameter(empty(shape, of_dtype));
    init::ones(weight);
    if (options.bias) {
      bias = Parameter(empty(shape, of_dtype));
      init::zeros(bias);
    }
  }
  if (options.track_running_stats) {
    running_mean = Buffer(zeros(shape, of_dtype));
    running_var = Buffer(ones(shape, of_dtype));
    num_batches_tracked = Buffer(zeros({}, {.dtype = kInt64}));
  }
}

// torch/nn/modules/batchnorm.py, _BatchNorm.forward: the batch is counted before its size is checked.
Tensor BatchNorm2d::forward(const Tensor& input) {
  require(input.rank() == 4, ErrorCode::kShapeMismatch, "batch_norm", "expected 4D input (got ", input.rank(),
          "D input)");
  const bool is_tracked = running_mean.defined() && running_var.defined();
  const bool updates = is_training() && is_tracked;
  double momentum = options_.momentum.value_or(0);
  if (updates && num_batches_tracked.defined()) {
    const NoGradGuard no_grad;
    num_batches_tracked.add_(1);
    if (!options_.momentum) momentum = 1 / num_batches_tracked.item();
  }
  return batch_norm(input, running_mean, running_var, weight, bias,
                    {.training = is_training() || !is_tracked, .momentum = momentum, .eps = options_.eps});
}

std::string BatchNorm2d::extra_repr() const {
  const auto word = [](bool on) { return on ? "True" : "False"; };
  return cat(num_features_, ", eps=", float_repr(options_.eps),
             ", momentum=", options_.momentum ? float_repr(*options_.momentum) : "None",
             ", affine=", word(options_.affine), ", bias=", word(bias.defined()),
             ", track_running_stats=", word(options_.track_running_stats));
}

void BatchNorm2d::upgrade_state(LoadUpgrade& upgrade) const {
  if (upgrade.version().value_or(1) < 2) upgrade.excuse_missing("num_batches_tracked");
}

}  // namespace sconce::nn
