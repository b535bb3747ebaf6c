#include "sconce/tensor/loss.h"

#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/reduce.h"
#include "sconce/tensor/softmax.h"

namespace sconce {
namespace {

constexpr const char* kWhere = "cross_entropy";

// What the negative log likelihood picks and how it weighs it: all that its gradient needs. The loss is
// linear in the log probabilities, so it is the derivative of its own gradient.
struct Pick {
  Array target, weight;
  Reduction reduction;
  std::int64_t ignore_index;

  struct Result {
    Tensor loss;
    Array total_weight;
  };
  Result loss(const Tensor& log_probabilities) const {
    const auto result = kernels::nll_loss(log_probabilities.array(), target, weight, reduction, ignore_index);
    Tensor out = result.loss;
    if (needs_grad(log_probabilities)) {
      record(out, "nll_loss", {log_probabilities},
             [self = *this, shape = log_probabilities.shape(), total = result.total_weight](Backward& pass) {
               pass.set(0, self.spread(pass.grad(), shape, total));
             });
    }
    return {out, result.total_weight};
  }
  Tensor spread(const Tensor& grad, const Shape& shape, const Array& total_weight) const {
    Tensor out = kernels::nll_loss_backward(grad.array(), shape, target, weight, total_weight, reduction,
                                            ignore_index);
    if (needs_grad(grad)) {
      record(out, "nll_loss_backward", {grad},
             [self = *this](Backward& pass) { pass.set(0, self.loss(pass.grad()).loss); });
    }
    return out;
  }
};

Array weight_array(const Tensor& weight, std::string_view where) {
  require(!weight.requires_grad(), ErrorCode::kUnsupported, where,
          "class weights get no gradient: detach them");
  return weight.defined() ? weight.array() : Array();
}

Tensor reduce(const Tensor& values, Reduction reduction) {
  switch (reduction) {
    case Reduction::kNone:
      return values;
    case Reduction::kMean:
      return mean(values);
    case Reduction::kSum:
      break;
  }
  return sum(values);
}

// Dimension of the classes.
std::int64_t class_dim(const Tensor& input) { return input.rank() == 1 ? 0 : 1; }

// weight (C,) seen so that it broadcasts over the scores.
Tensor broadcast_weight(const Tensor& weight, const Tensor& scores) {
  Shape shape(scores.rank(), 1);
  shape[static_cast<std::size_t>(class_dim(scores))] = weight.numel();
  return weight.reshape(shape);
}

Tensor weighted(const Tensor& scores, const Tensor& weight) {
  return weight.defined() ? scores * broadcast_weight(weight, scores) : scores;
}

Tensor cross_entropy_of_indices(const Tensor& scores, const Tensor& target,
                                const CrossEntropyOptions& options) {
  const Pick pick{target.array(), weight_array(options.weight, kWhere), options.reduction,
                  options.ignore_index};
  const auto [hard, total_weight] = pick.loss(scores);
  if (options.label_smoothing == 0) return hard;
  const std::int64_t dim = class_dim(scores);
  Tensor smooth =
      masked_fill(-sum(weighted(scores, options.weight), dim), target == options.ignore_index, 0.0);
  if (options.reduction != Reduction::kNone) smooth = sum(smooth);
  if (options.reduction == Reduction::kMean) smooth = smooth / Tensor(total_weight);
  const auto classes = static_cast<double>(scores.size(dim));
  return (1 - options.label_smoothing) * hard + (options.label_smoothing / classes) * smooth;
}

Tensor cross_entropy_of_probabilities(const Tensor& scores, const Tensor& target,
                                      const CrossEntropyOptions& options) {
  require(target.dtype() == scores.dtype(), ErrorCode::kDTypeMismatch, kWhere,
          "expected class probabilities of dtype ", scores.dtype(), ", found ", target.dtype());
  const std::int64_t dim = class_dim(scores);
  const Array weight = weight_array(options.weight, kWhere);
  if (weight.defined()) {
    require(weight.shape() == Shape{scores.size(dim)}, ErrorCode::kShapeMismatch, kWhere,
            "expected a weight for each of ", scores.size(dim), " classes, found shape ", weight.shape());
  }
  const auto classes = static_cast<double>(scores.size(dim));
  const Tensor wanted = options.label_smoothing == 0
                            ? target
                            : target * (1 - options.label_smoothing) + options.label_smoothing / classes;
  const Tensor each = -sum(weighted(scores, options.weight) * wanted, dim);
  // The mean is per sample (and pixel): weights do not enter it.
  return reduce(each, options.reduction);
}

}  // namespace

Tensor nll_loss(const Tensor& input, const Tensor& target, const NllLossOptions& options) {
  const Pick pick{target.array(), weight_array(options.weight, "nll_loss"), options.reduction,
                  options.ignore_index};
  return pick.loss(input).loss;
}

Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyOptions& options) {
  require(options.label_smoothing >= 0 && options.label_smoothing <= 1, ErrorCode::kInvalidArgument, kWhere,
          "label_smoothing must be between 0.0 and 1.0. Got: ", options.label_smoothing);
  require(input.rank() >= 1, ErrorCode::kShapeMismatch, kWhere,
          "expected input of shape (C,) or (N, C, ...), found ()");
  const bool probabilities = target.shape() == input.shape();
  require(!probabilities || is_floating(target.dtype()), ErrorCode::kDTypeMismatch, kWhere,
          "Expected floating point type for target with class probabilities, found ", target.dtype());
  const Tensor scores = log_softmax(input, class_dim(input));
  return probabilities ? cross_entropy_of_probabilities(scores, target, options)
                       : cross_entropy_of_indices(scores, target, options);
}

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return reduce(square(input - target), reduction);
}

}  // namespace sconce
