#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "sconce/kernels/random.h"

namespace sconce::kernels {
namespace {

double normal_cdf(double x) { return (1.0 + std::erf(x / std::numbers::sqrt2)) / 2.0; }

// Most of the curve lies inside: draw whole tensors of normals until every element has been inside once.
template <class T>
void reject_outside(Array& out, double mean, double std, T low, T high, Generator& generator) {
  normal(out, mean, std, generator);
  T* const values = out.mutable_data<T>();
  Array retry = Array::empty(out.shape(), out.dtype());
  const auto is_outside = [=](T value) { return value < low || value > high; };
  while (std::any_of(values, values + out.numel(), is_outside)) {
    normal(retry, mean, std, generator);
    const T* const fresh = retry.data<T>();
    for (std::int64_t i = 0; i < out.numel(); ++i) {
      if (is_outside(values[i])) values[i] = fresh[i];
    }
  }
}

// Little of it does: draw uniform candidates and accept each with the curve's height relative to its peak.
template <class T>
void reject_under_curve(Array& out, double mean, double std, double low, double high, Generator& generator) {
  const double mode = std::clamp(mean, low, high);
  const double log_peak = -0.5 * ((mode - mean) / std) * ((mode - mean) / std);
  const std::int64_t count = out.numel();
  Array candidates = Array::empty(out.shape(), out.dtype());
  Array heights = Array::empty(out.shape(), out.dtype());
  std::vector<bool> pending(static_cast<std::size_t>(count), true);
  T* const values = out.mutable_data<T>();
  bool is_done = count == 0;
  while (!is_done) {
    uniform(candidates, low, high, generator);
    uniform(heights, 0.0, 1.0, generator);
    const T* const candidate = candidates.data<T>();
    const T* const height = heights.data<T>();
    is_done = true;
    for (std::int64_t i = 0; i < count; ++i) {
      if (!pending[static_cast<std::size_t>(i)]) continue;
      values[i] = candidate[i];
      const T distance = (candidate[i] - static_cast<T>(mean)) / static_cast<T>(std);
      const T log_density = distance * distance * T(-0.5) - static_cast<T>(log_peak);
      const bool is_rejected = std::log(height[i]) > log_density;
      pending[static_cast<std::size_t>(i)] = is_rejected;
      is_done = is_done && !is_rejected;
    }
  }
}

}  // namespace

void trunc_normal(Array& out, double mean, double std, double low, double high, Generator& generator) {
  require(std > 0 && low <= high, ErrorCode::kInvalidArgument, "trunc_normal",
          "expected std > 0 and low <= high, found std ", std, " and the range ", low, " to ", high);
  require(out.dtype() == kFloat32 || out.dtype() == kFloat64, ErrorCode::kDTypeMismatch, "trunc_normal",
          "expected float32 or float64, found ", out.dtype());
  const bool is_wide = normal_cdf((high - mean) / std) - normal_cdf((low - mean) / std) > 0.3;
  Array dense = Array::empty(out.shape(), out.dtype());
  const auto fill = [&]<class T>(std::type_identity<T>) {
    if (is_wide)
      reject_outside(dense, mean, std, static_cast<T>(low), static_cast<T>(high), generator);
    else
      reject_under_curve<T>(dense, mean, std, low, high, generator);
  };
  if (out.dtype() == kFloat64)
    fill(std::type_identity<double>{});
  else
    fill(std::type_identity<float>{});
  out.copy_from(dense);
}

}  // namespace sconce::kernels
