#include "sconce/kernels/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/operands.h"
#include "sconce/base/parallel.h"

namespace sconce::kernels {
namespace {

constexpr const char* kWhere = "batch_norm";

struct Sizes {
  std::int64_t batch = 0, channels = 0, inner = 0;
  std::int64_t count() const { return batch * inner; }
};

Sizes sizes_of(const Array& input) {
  const Shape& shape = input.shape();
  require(shape.size() >= 2, ErrorCode::kShapeMismatch, kWhere, "expected shape (N, C, ...), found ", shape);
  Sizes sizes{shape[0], shape[1], 1};
  for (std::size_t d = 2; d < shape.size(); ++d) sizes.inner *= shape[d];
  return sizes;
}

void check_channels(const Array& input, std::int64_t channels, std::initializer_list<const Array*> arrays) {
  check_same_dtype(input, arrays, kWhere);
  for (const Array* array : arrays) {
    if (!array->defined()) continue;
    require(array->shape() == Shape{channels}, ErrorCode::kShapeMismatch, kWhere,
            "expected one value for each of ", channels, " channels, found shape ", array->shape());
  }
}

template <class Body>
void for_each_channel(const Sizes& s, Body&& body) {
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(s.count(), 1));
  parallel_for(s.channels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) body(c);
  });
}

// Sum of term(index) over the elements of channel `c`, in double. Eight independent lanes let the compiler
// use vector registers; the order does not depend on the number of threads.
template <class Term>
double channel_sum(const Sizes& s, std::int64_t c, Term&& term) {
  constexpr std::int64_t kLanes = 8;
  double lanes[kLanes] = {};
  for (std::int64_t n = 0; n < s.batch; ++n) {
    const std::int64_t first = (n * s.channels + c) * s.inner;
    std::int64_t i = 0;
    for (; i + kLanes <= s.inner; i += kLanes) {
      for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(first + i + lane);
    }
    for (; i < s.inner; ++i) lanes[i % kLanes] += term(first + i);
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

BatchNormStatistics batch_norm_statistics(const Array& input, double eps) {
  const Sizes s = sizes_of(input);
  require(s.count() > 0, ErrorCode::kInvalidArgument, kWhere,
          "expected at least one value per channel, found ", input.shape());
  const Array x = input.contiguous();
  const auto per_channel = [&] { return Array::empty({s.channels}, input.dtype()); };
  BatchNormStatistics out{per_channel(), per_channel(), per_channel()};
  visit_floating(kWhere, input.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>();
    T* means = out.mean.mutable_data<T>();
    T* variances = out.variance.mutable_data<T>();
    T* inverses = out.inverse_deviation.mutable_data<T>();
    const auto count = static_cast<double>(s.count());
    for_each_channel(s, [&](std::int64_t c) {
      const double mean =
          channel_sum(s, c, [&](std::int64_t i) { return static_cast<double>(in[i]); }) / count;
      const double variance = channel_sum(s, c,
                                          [&](std::int64_t i) {
                                            const double distance = static_cast<double>(in[i]) - mean;
                                            return distance * distance;
                                          }) /
                              count;
      means[c] = static_cast<T>(mean);
      variances[c] = static_cast<T>(variance);
      inverses[c] = static_cast<T>(1 / std::sqrt(variance + eps));
    });
  });
  return out;
}

void batch_norm_update(Array& running_mean, Array& running_variance, const BatchNormStatistics& statistics,
                       std::int64_t count, double momentum) {
  const std::int64_t channels = statistics.mean.shape()[0];
  check_channels(statistics.mean, channels, {&running_mean, &running_variance});
  require(count >= 2, ErrorCode::kInvalidArgument, kWhere,
          "expected more than one value per channel for the unbiased variance, found ", count);
  const double unbias = static_cast<double>(count) / static_cast<double>(count - 1);
  const auto blend = [&](Array& running, const Array& batch, double factor) {
    visit_floating(kWhere, batch.dtype(), [&]<class T>(std::type_identity<T>) {
      Array updated = running.contiguous().clone();
      T* values = updated.mutable_data<T>();
      const T* news = batch.data<T>();
      for (std::int64_t c = 0; c < channels; ++c) {
        values[c] = static_cast<T>((1 - momentum) * static_cast<double>(values[c]) +
                                   momentum * static_cast<double>(news[c]) * factor);
      }
      running.copy_from(updated);
    });
  };
  blend(running_mean, statistics.mean, 1);
  blend(running_variance, statistics.variance, unbias);
}

Array batch_norm_apply(const Array& input, const Array& mean, const Array& inverse_deviation,
                       const Array& weight, const Array& bias) {
  const Sizes s = sizes_of(input);
  check_channels(input, s.channels, {&mean, &inverse_deviation, &weight, &bias});
  const Array x = input.contiguous();
  Array out = Array::empty(input.shape(), input.dtype());
  const Array m = mean.contiguous();
  const Array d = inverse_deviation.contiguous();
  const Array w = weight.defined() ? weight.contiguous() : weight;
  const Array b = bias.defined() ? bias.contiguous() : bias;
  visit_floating(kWhere, input.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>();
    T* result = out.mutable_data<T>();
    const T* means = m.data<T>();
    const T* inverses = d.data<T>();
    const T* weights = data_or_null<T>(w);
    const T* biases = data_or_null<T>(b);
    for_each_channel(s, [&](std::int64_t c) {
      const T scale = weights != nullptr ? inverses[c] * weights[c] : inverses[c];
      const T shift = (biases != nullptr ? biases[c] : T(0)) - means[c] * scale;
      for (std::int64_t n = 0; n < s.batch; ++n) {
        const std::int64_t first = (n * s.channels + c) * s.inner;
        for (std::int64_t i = first; i < first + s.inner; ++i) result[i] = in[i] * scale + shift;
      }
    });
  });
  return out;
}

BatchNormGradients batch_norm_backward(const Array& grad, const Array& input, const Array& mean,
                                       const Array& inverse_deviation, const Array& weight, bool training) {
  const Sizes s = sizes_of(input);
  require(grad.shape() == input.shape(), ErrorCode::kShapeMismatch, kWhere, "expected a gradient of shape ",
          input.shape(), ", found ", grad.shape());
  check_same_dtype(input, {&grad}, kWhere);
  check_channels(input, s.channels, {&mean, &inverse_deviation, &weight});
  const Array x = input.contiguous();
  const Array g = grad.contiguous();
  const Array m = mean.contiguous();
  const Array d = inverse_deviation.contiguous();
  const Array w = weight.defined() ? weight.contiguous() : weight;
  const auto per_channel = [&] { return Array::empty({s.channels}, input.dtype()); };
  BatchNormGradients out{Array::empty(input.shape(), input.dtype()), per_channel(), per_channel()};
  visit_floating(kWhere, input.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>();
    const T* gradient = g.data<T>();
    const T* means = m.data<T>();
    const T* inverses = d.data<T>();
    const T* weights = data_or_null<T>(w);
    T* input_grad = out.input.mutable_data<T>();
    T* weight_grad = out.weight.mutable_data<T>();
    T* bias_grad = out.bias.mutable_data<T>();
    for_each_channel(s, [&](std::int64_t c) {
      const auto center = static_cast<double>(means[c]);
      const auto inverse = static_cast<double>(inverses[c]);
      const double sum = channel_sum(s, c, [&](std::int64_t i) { return static_cast<double>(gradient[i]); });
      const double dot = channel_sum(s, c, [&](std::int64_t i) {
        return static_cast<double>(gradient[i]) * (static_cast<double>(in[i]) - center);
      });
      weight_grad[c] = static_cast<T>(dot * inverse);
      bias_grad[c] = static_cast<T>(sum);
      // The statistics follow the input in training: their share is the mean of the gradient and its
      // projection on the normalised input.
      const auto count = static_cast<double>(std::max<std::int64_t>(s.count(), 1));
      const T mean_grad = training ? static_cast<T>(sum / count) : T(0);
      const T slope = training ? static_cast<T>(dot * inverse * inverse / count) : T(0);
      const T scale = weights != nullptr ? inverses[c] * weights[c] : inverses[c];
      for (std::int64_t n = 0; n < s.batch; ++n) {
        const std::int64_t first = (n * s.channels + c) * s.inner;
        for (std::int64_t i = first; i < first + s.inner; ++i) {
          input_grad[i] = (gradient[i] - mean_grad - (in[i] - means[c]) * slope) * scale;
        }
      }
    });
  });
  return out;
}

Array inverse_deviation(const Array& variance, double eps) {
  const Array v = variance.contiguous();
  Array out = Array::empty(variance.shape(), variance.dtype());
  visit_floating(kWhere, variance.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = v.data<T>();
    std::transform(in, in + v.numel(), out.mutable_data<T>(), [eps](T value) {
      return static_cast<T>(1 / std::sqrt(static_cast<double>(value) + eps));
    });
  });
  return out;
}

namespace reference {
namespace {

// The values of an array in order, in double.
std::vector<double> values_of(const Array& array) { return array.to_vector<double>(); }

// Those of a weight or bias of each channel, `otherwise` where there is none.
std::vector<double> values_or(const Array& array, const Sizes& s, double otherwise) {
  return array.defined() ? values_of(array)
                         : std::vector<double>(static_cast<std::size_t>(s.channels), otherwise);
}

// Calls body(element, its channel) for all elements, in order.
template <class Body>
void for_each_element(const Sizes& s, Body&& body) {
  std::size_t element = 0;
  for (std::int64_t n = 0; n < s.batch; ++n) {
    for (std::int64_t c = 0; c < s.channels; ++c) {
      for (std::int64_t i = 0; i < s.inner; ++i) body(element++, static_cast<std::size_t>(c));
    }
  }
}

}  // namespace

BatchNormStatistics batch_norm_statistics(const Array& input, double eps) {
  const Sizes s = sizes_of(input);
  const std::vector<double> x = values_of(input);
  std::vector<double> mean(static_cast<std::size_t>(s.channels));
  std::vector<double> variance = mean;
  std::vector<double> inverse = mean;
  const auto count = static_cast<double>(s.count());
  for_each_element(s, [&](std::size_t i, std::size_t c) { mean[c] += x[i] / count; });
  for_each_element(
      s, [&](std::size_t i, std::size_t c) { variance[c] += (x[i] - mean[c]) * (x[i] - mean[c]) / count; });
  std::transform(variance.begin(), variance.end(), inverse.begin(),
                 [eps](double v) { return 1 / std::sqrt(v + eps); });
  const auto array = [&](const std::vector<double>& values) {
    return Array::from(values, {s.channels}).cast(input.dtype());
  };
  return {array(mean), array(variance), array(inverse)};
}

Array batch_norm_apply(const Array& input, const Array& mean, const Array& inverse_deviation,
                       const Array& weight, const Array& bias) {
  const Sizes s = sizes_of(input);
  std::vector<double> x = values_of(input);
  const std::vector<double> m = values_of(mean);
  const std::vector<double> d = values_of(inverse_deviation);
  const std::vector<double> w = values_or(weight, s, 1);
  const std::vector<double> b = values_or(bias, s, 0);
  for_each_element(s, [&](std::size_t i, std::size_t c) { x[i] = (x[i] - m[c]) * d[c] * w[c] + b[c]; });
  return Array::from(x, input.shape()).cast(input.dtype());
}

BatchNormGradients batch_norm_backward(const Array& grad, const Array& input, const Array& mean,
                                       const Array& inverse_deviation, const Array& weight, bool training) {
  const Sizes s = sizes_of(input);
  const std::vector<double> g = values_of(grad);
  std::vector<double> x = values_of(batch_norm_apply(input.cast(kFloat64), mean, inverse_deviation, {}, {}));
  const std::vector<double> d = values_of(inverse_deviation);
  const std::vector<double> w = values_or(weight, s, 1);
  std::vector<double> sum(static_cast<std::size_t>(s.channels));
  std::vector<double> dot = sum;
  for_each_element(s, [&](std::size_t i, std::size_t c) {
    sum[c] += g[i];
    dot[c] += g[i] * x[i];
  });
  const auto count = static_cast<double>(s.count());
  for_each_element(s, [&](std::size_t i, std::size_t c) {
    const double through_statistics = training ? (sum[c] + x[i] * dot[c]) / count : 0;
    x[i] = (g[i] - through_statistics) * d[c] * w[c];
  });
  const auto array = [&](const std::vector<double>& values, const Shape& shape) {
    return Array::from(values, shape).cast(input.dtype());
  };
  return {array(x, input.shape()), array(dot, {s.channels}), array(sum, {s.channels})};
}

}  // namespace reference
}  // namespace sconce::kernels
