#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/blocks.h"
#include "kernels/operands.h"
#include "sconce/kernels/blocked.h"

namespace sconce::kernels::blocked {
namespace {

constexpr const char* kWhere = "batch_norm";

// As wide as the registers that this code is compiled for. The compiler cannot know that a gradient is
// overwritten number by number; with these types it need not.
constexpr int kLanes = 8;
typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));

void check_channels(const Blocks& s, std::initializer_list<const Array*> arrays) {
  for (const Array* array : arrays) {
    if (!array->defined()) continue;
    require(array->dtype() == kFloat32, ErrorCode::kDTypeMismatch, kWhere, "expected float32, found ",
            array->dtype());
    require(array->shape() == Shape{s.channels()}, ErrorCode::kShapeMismatch, kWhere,
            "expected one value for each of ", s.channels(), " channels, found shape ", array->shape());
  }
}

// One value a channel as floats, `otherwise` where there is no array.
std::vector<float> values_of(const Array& array, const Blocks& s, float otherwise) {
  std::vector<float> out(static_cast<std::size_t>(s.channels()), otherwise);
  if (!array.defined()) return out;
  const Array dense = array.contiguous();
  std::copy_n(dense.data<float>(), s.channels(), out.begin());
  return out;
}

Array to_array(const std::vector<double>& values, const Blocks& s) {
  Array out = Array::empty({s.channels()});
  std::transform(values.begin(), values.end(), out.mutable_data<float>(),
                 [](double value) { return static_cast<float>(value); });
  return out;
}

}  // namespace

BatchNormStatistics batch_norm_statistics(const Array& input, double eps) {
  const Blocks s = blocks_of(input, kWhere);
  require(s.count() > 0, ErrorCode::kInvalidArgument, kWhere,
          "expected at least one value per channel, found ", plain_shape(input));
  const float* in = input.data<float>();
  const auto count = static_cast<double>(s.count());
  auto [means] =
      channel_sums(s, [in](std::int64_t, std::int64_t i) SCONCE_ALWAYS_INLINE { return double{in[i]}; });
  for (double& mean : means) mean /= count;
  auto [variances] =
      channel_sums(s, [in, mean = means.data()](std::int64_t channel, std::int64_t i) SCONCE_ALWAYS_INLINE {
        const double distance = double{in[i]} - mean[channel];
        return distance * distance;
      });
  std::vector<double> inverses;
  for (double& variance : variances) {
    variance /= count;
    inverses.push_back(1 / std::sqrt(variance + eps));
  }
  return {to_array(means, s), to_array(variances, s), to_array(inverses, s)};
}

Joined::Term batch_norm_term(const Array& input, const Array& mean, const Array& inverse_deviation,
                             const Array& weight, const Array& bias) {
  const Blocks s = blocks_of(input, kWhere);
  check_channels(s, {&mean, &inverse_deviation, &weight, &bias});
  const std::vector<float> means = values_of(mean, s, 0);
  const std::vector<float> weights = values_of(weight, s, 1);
  Joined::Term out{input, values_of(inverse_deviation, s, 1), values_of(bias, s, 0)};
  for (std::size_t c = 0; c < means.size(); ++c) {
    out.scale[c] *= weights[c];
    out.shift[c] -= means[c] * out.scale[c];
  }
  return out;
}

BatchNormGradients batch_norm_backward(Array grad, const Array& input, const Array& mean,
                                       const Array& inverse_deviation, const Array& weight, bool training) {
  const Blocks s = blocks_of(input, kWhere);
  require(grad.shape() == input.shape(), ErrorCode::kShapeMismatch, kWhere, "expected a gradient of shape ",
          input.shape(), ", found ", grad.shape());
  (void)blocks_of(grad, kWhere);
  check_channels(s, {&mean, &inverse_deviation, &weight});
  const std::vector<float> means = values_of(mean, s, 0);
  const std::vector<float> inverses = values_of(inverse_deviation, s, 1);
  const std::vector<float> weights = values_of(weight, s, 1);
  const float* in = input.data<float>();
  const float* gradient = grad.data<float>();
  const auto [sums, dots] = channel_sums(
      s, [gradient](std::int64_t, std::int64_t i) SCONCE_ALWAYS_INLINE { return double{gradient[i]}; },
      [in, gradient, mean = means.data()](std::int64_t channel, std::int64_t i)
          SCONCE_ALWAYS_INLINE { return double{gradient[i]} * (double{in[i]} - double{mean[channel]}); });
  const bool is_reused = grad.storage().is_ours_alone();
  BatchNormGradients out{is_reused ? std::move(grad) : Array::empty(input.shape()),
                         Array::empty({s.channels()}), to_array(sums, s)};
  // As in the plain kernel: the statistics follow the input in training.
  const auto count = static_cast<double>(std::max<std::int64_t>(s.count(), 1));
  std::vector<float> mean_grads(means.size());
  std::vector<float> slopes(means.size());
  std::vector<float> scales(means.size());
  for (std::size_t c = 0; c < means.size(); ++c) {
    const auto inverse = double{inverses[c]};
    out.weight.mutable_data<float>()[c] = static_cast<float>(dots[c] * inverse);
    if (training) {
      mean_grads[c] = static_cast<float>(sums[c] / count);
      slopes[c] = static_cast<float>(dots[c] * inverse * inverse / count);
    }
    scales[c] = inverses[c] * weights[c];
  }
  float* result = out.input.mutable_data<float>();
  for_each_block(s, [&](auto block, std::int64_t channel, std::int64_t first) SCONCE_ALWAYS_INLINE {
    constexpr int kParts = decltype(block)::value / kLanes;
    Floats mean_grad[kParts], center[kParts], slope[kParts], scale[kParts];
    std::memcpy(mean_grad, mean_grads.data() + channel, sizeof mean_grad);
    std::memcpy(center, means.data() + channel, sizeof center);
    std::memcpy(slope, slopes.data() + channel, sizeof slope);
    std::memcpy(scale, scales.data() + channel, sizeof scale);
    for (std::int64_t i = first; i < first + s.plane * kParts * kLanes;) {
      for (int part = 0; part < kParts; ++part, i += kLanes) {
        Floats pixel;
        Floats x;
        std::memcpy(&pixel, gradient + i, sizeof pixel);
        std::memcpy(&x, in + i, sizeof x);
        pixel = (pixel - mean_grad[part] - (x - center[part]) * slope[part]) * scale[part];
        std::memcpy(result + i, &pixel, sizeof pixel);
      }
    }
  });
  return out;
}

}  // namespace sconce::kernels::blocked
