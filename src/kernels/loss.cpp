#include "sconce/kernels/loss.h"

#include "kernels/operands.h"

namespace sconce::kernels {
namespace {

constexpr const char* kWhere = "nll_loss";

// Scores seen as (batch, classes, inner).
struct Sizes {
  std::int64_t batch = 1, classes = 1, inner = 1;
};

Sizes check(const Shape& scores, const Array& target, const Array& weight) {
  require(!scores.empty(), ErrorCode::kShapeMismatch, kWhere,
          "expected input of shape (C,) or (N, C, ...), found ()");
  const std::size_t class_dim = scores.size() == 1 ? 0 : 1;
  Sizes sizes;
  Shape expected;
  for (std::size_t d = 0; d < scores.size(); ++d) {
    (d < class_dim ? sizes.batch : d == class_dim ? sizes.classes : sizes.inner) *= scores[d];
    if (d != class_dim) expected.push_back(scores[d]);
  }
  const Shape& found = target.shape();
  require(found.empty() || expected.empty() || found[0] == expected[0], ErrorCode::kShapeMismatch, kWhere,
          "Expected input batch_size (", expected.empty() ? 1 : expected[0], ") to match target batch_size (",
          found.empty() ? 1 : found[0], ").");
  require(found == expected, ErrorCode::kShapeMismatch, kWhere, "expected a target of shape ", expected,
          " for input ", scores, ", found ", found);
  require(target.dtype() == kInt64, ErrorCode::kDTypeMismatch, kWhere,
          "expected target dtype to be int64, found ", target.dtype());
  if (weight.defined()) {
    require(weight.shape() == Shape{sizes.classes}, ErrorCode::kShapeMismatch, kWhere,
            "expected a weight for each of ", sizes.classes, " classes, found shape ", weight.shape());
  }
  return sizes;
}

// Calls body(position in the target, position in the scores, class) for every target that counts.
template <class Body>
void for_each_target(const Sizes& s, const Array& target, std::int64_t ignore_index, Body&& body) {
  const auto* classes = target.data<std::int64_t>();
  for (std::int64_t n = 0; n < s.batch; ++n) {
    for (std::int64_t i = 0; i < s.inner; ++i) {
      const std::int64_t at = n * s.inner + i;
      const std::int64_t label = classes[at];
      if (label == ignore_index) continue;
      require(label >= 0 && label < s.classes, ErrorCode::kIndexOutOfRange, kWhere, "Target ", label,
              " is out of bounds.");
      body(at, (n * s.classes + label) * s.inner + i, label);
    }
  }
}

}  // namespace

NllLossResult nll_loss(const Array& log_probabilities, const Array& target, const Array& weight,
                       Reduction reduction, std::int64_t ignore_index) {
  const Sizes sizes = check(log_probabilities.shape(), target, weight);
  check_same_dtype(log_probabilities, {&weight}, kWhere);
  const DType dtype = log_probabilities.dtype();
  const Array scores = log_probabilities.contiguous();
  const Array labels = target.contiguous();
  const Array weights = weight.defined() ? weight.contiguous() : weight;
  const bool each = reduction == Reduction::kNone;
  NllLossResult out{each ? Array::zeros(target.shape(), dtype) : Array::empty({}, dtype),
                    Array::empty({}, dtype)};
  visit_floating(kWhere, dtype, [&]<class T>(std::type_identity<T>) {
    const T* in = scores.data<T>();
    const T* factors = data_or_null<T>(weights);
    T* loss = out.loss.mutable_data<T>();
    double sum = 0;
    double total = 0;
    for_each_target(sizes, labels, ignore_index,
                    [&](std::int64_t at, std::int64_t score, std::int64_t label) {
                      const T factor = factors != nullptr ? factors[label] : T(1);
                      const T value = -factor * in[score];
                      if (each) loss[at] = value;
                      sum += static_cast<double>(value);
                      total += static_cast<double>(factor);
                    });
    // Nothing that counts gives 0 / 0, NaN, as in PyTorch.
    if (!each) *loss = static_cast<T>(reduction == Reduction::kMean ? sum / total : sum);
    *out.total_weight.mutable_data<T>() = static_cast<T>(total);
  });
  return out;
}

Array nll_loss_backward(const Array& grad, const Shape& shape, const Array& target, const Array& weight,
                        const Array& total_weight, Reduction reduction, std::int64_t ignore_index) {
  const Sizes sizes = check(shape, target, weight);
  check_same_dtype(grad, {&weight, &total_weight}, kWhere);
  const bool each = reduction == Reduction::kNone;
  const Shape expected = each ? target.shape() : Shape{};
  require(grad.shape() == expected, ErrorCode::kShapeMismatch, kWhere, "expected a gradient of shape ",
          expected, ", found ", grad.shape());
  const Array g = grad.contiguous();
  const Array labels = target.contiguous();
  const Array weights = weight.defined() ? weight.contiguous() : weight;
  Array out = Array::zeros(shape, grad.dtype());
  visit_floating(kWhere, grad.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* gradient = g.data<T>();
    const T* factors = data_or_null<T>(weights);
    const T divisor = reduction == Reduction::kMean ? *total_weight.data<T>() : T(1);
    T* result = out.mutable_data<T>();
    for_each_target(sizes, labels, ignore_index,
                    [&](std::int64_t at, std::int64_t score, std::int64_t label) {
                      const T factor = factors != nullptr ? factors[label] : T(1);
                      result[score] = -factor * (gradient[each ? at : 0] / divisor);
                    });
  });
  return out;
}

}  // namespace sconce::kernels
