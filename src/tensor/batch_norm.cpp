#include "sconce/tensor/batch_norm.h"

#include "sconce/kernels/batch_norm.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/reduce.h"
#include "tensor/in_blocks.h"
#include "tensor/operand.h"

namespace sconce {
namespace {

constexpr const char* kWhere = "batch_norm";

// A vector (C,) seen so that it broadcasts over (N, C, ...).
Tensor per_channel(const Tensor& vector, std::size_t rank) {
  Shape shape(rank, 1);
  shape[1] = vector.numel();
  return vector.reshape(shape);
}

// What the derivative keeps.
struct Kept {
  Saved input, weight;
  Array mean, inverse_deviation;
  bool has_weight = false;
  BatchNormOptions options;
};

// The gradients by Tensor operations, which record themselves: the way of second derivatives.
void differentiate_recorded(Backward& pass, const Kept& kept) {
  const Tensor x = kept.input.get(pass);
  const Tensor& grad = pass.grad();
  const std::size_t rank = x.rank();
  Dims others;
  for (std::size_t d = 0; d < rank; ++d) {
    if (d != 1) others.push_back(static_cast<std::int64_t>(d));
  }
  const auto average = [&](const Tensor& t) { return mean(t, others, true); };
  Tensor centered, inverse;
  if (kept.options.training) {
    centered = x - average(x);
    inverse = reciprocal(sqrt(average(square(centered)) + kept.options.eps));
  } else {
    centered = x - per_channel(kept.mean, rank);
    inverse = per_channel(kept.inverse_deviation, rank);
  }
  const Tensor normal = centered * inverse;
  if (pass.needs(0)) {
    const Tensor scale = kept.has_weight ? inverse * per_channel(kept.weight.get(pass), rank) : inverse;
    const Tensor rest = kept.options.training ? grad - average(grad) - normal * average(grad * normal) : grad;
    pass.set(0, rest * scale);
  }
  if (pass.needs(1)) pass.set(1, sum(grad * normal, others));
  if (pass.needs(2)) pass.set(2, sum(grad, others));
}

void differentiate(Backward& pass, const Kept& kept) {
  if (is_grad_enabled()) return differentiate_recorded(pass, kept);
  const Array weight = kept.has_weight ? kept.weight.get(pass).array() : Array();
  const Tensor input = kept.input.get(pass);
  const Array* blocks = InBlocks::find(input);
  const auto gradients =
      blocks != nullptr
          ? kernels::blocked::batch_norm_backward(InBlocks::take(pass.take_grad()), *blocks, kept.mean,
                                                  kept.inverse_deviation, weight, kept.options.training)
          : kernels::batch_norm_backward(pass.grad().array(), input.array(), kept.mean,
                                         kept.inverse_deviation, weight, kept.options.training);
  if (pass.needs(0)) {
    pass.set(0, blocks != nullptr ? InBlocks::made(gradients.input) : Tensor(gradients.input));
  }
  if (pass.needs(1)) pass.set(1, gradients.weight);
  if (pass.needs(2)) pass.set(2, gradients.bias);
}

}  // namespace

Tensor batch_norm(const Tensor& input, Tensor running_mean, Tensor running_variance, const Tensor& weight,
                  const Tensor& bias, const BatchNormOptions& options) {
  require(input.rank() >= 2, ErrorCode::kShapeMismatch, kWhere, "expected input of shape (N, C, ...), found ",
          input.shape());
  require(running_mean.defined() == running_variance.defined(), ErrorCode::kInvalidArgument, kWhere,
          "expected both running statistics or none");
  kernels::BatchNormStatistics statistics;
  const Array* blocks = InBlocks::find(input);
  const std::int64_t count = input.size(1) == 0 ? 0 : input.numel() / input.size(1);
  if (options.training) {
    if (count == 1) {
      fail(ErrorCode::kInvalidArgument, kWhere,
           "Expected more than 1 value per channel when training, got input size ", input.shape().repr());
    }
    statistics = blocks != nullptr ? kernels::blocked::batch_norm_statistics(*blocks, options.eps)
                                   : kernels::batch_norm_statistics(input.array(), options.eps);
  } else {
    require(running_mean.defined(), ErrorCode::kInvalidArgument, kWhere,
            "expected running statistics outside training, found none");
    statistics.mean = running_mean.array();
    statistics.inverse_deviation = kernels::inverse_deviation(running_variance.array(), options.eps);
  }
  const auto apply = [&](auto kernel, const Array& x) {
    return kernel(x, statistics.mean, statistics.inverse_deviation, array_or_none(weight),
                  array_or_none(bias));
  };
  Tensor out = blocks != nullptr
                   ? InBlocks::made({apply(kernels::blocked::batch_norm_term, *blocks), {}, false})
                   : Tensor(apply(kernels::batch_norm_apply, input.array()));
  if (options.training && running_mean.defined()) {
    kernels::batch_norm_update(running_mean.mutable_array(), running_variance.mutable_array(), statistics,
                               count, options.momentum);
  }
  if (needs_grad(input, weight, bias)) {
    // The running statistics may move on before backward; what this call used must stay.
    if (!options.training) statistics.mean = statistics.mean.clone();
    record(out, kWhere, {input, weight, bias},
           [kept = Kept{Saved(input), Saved(weight, weight.defined()), statistics.mean,
                        statistics.inverse_deviation, weight.defined(), options}](Backward& pass) {
             differentiate(pass, kept);
           });
  }
  return out;
}

}  // namespace sconce
