// Compares derivatives with finite differences, in float64.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "sconce/tensor/ops.h"

namespace sconce::testing {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

// Values in +-[0.3, 1.5], away from the kinks of abs, relu and the like; a fixed stream per seed.
inline Tensor random_tensor(const Shape& shape, unsigned seed, bool positive = false) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> magnitude(0.3, 1.5);
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (double& v : values) v = magnitude(engine) * (positive || engine() % 2 == 0 ? 1 : -1);
  return tensor(values, shape);
}

// The same numbers behind other strides: every second column of a transposed tensor of twice the size.
inline Tensor strided(const Tensor& x) {
  if (x.rank() == 0 || x.numel() == 0) return x;
  Shape doubled = x.shape();
  doubled[doubled.size() - 1] *= 2;
  Array wide = Array::zeros(Geometry::contiguous(doubled).transpose(0, -1).shape, kFloat64).transpose(0, -1);
  Array view = wide.slice(-1, {.start = 1, .stop = {}, .step = 2});
  view.copy_from(x.array());
  return view;
}

// A scalar that depends on every element of y with its own weight.
inline Tensor weighted_sum(const Tensor& y, unsigned seed = 99) {
  return sum(y * random_tensor(y.shape(), seed));
}

namespace detail {

inline void check_once(const Function& f, const std::vector<Tensor>& values, const std::string& what) {
  std::vector<Tensor> inputs;
  for (const Tensor& v : values) inputs.push_back(v.detach().set_requires_grad());
  const Tensor loss = weighted_sum(f(inputs));
  const std::vector<Tensor> grads = grad(std::vector<Tensor>{loss}, inputs, {}, {.allow_unused = true});
  const NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].numel() == 0) continue;
    const Tensor found = grads[i].defined() ? grads[i] : zeros_like(inputs[i]);
    ASSERT_EQ(found.shape(), inputs[i].shape()) << what << ", input " << i;
    const std::vector<double> slopes = found.to_vector<double>();
    std::vector<double> plain = inputs[i].to_vector<double>();
    for (std::size_t k = 0; k < plain.size(); ++k) {
      const auto loss_at = [&](double value) {
        std::vector<double> moved = plain;
        moved[k] = value;
        std::vector<Tensor> at = values;
        at[i] = Tensor(Array::from(moved, inputs[i].shape()));
        return weighted_sum(f(at)).item<double>();
      };
      const double expected = (loss_at(plain[k] + kStep) - loss_at(plain[k] - kStep)) / (2 * kStep);
      ASSERT_NEAR(slopes[k], expected, 1e-7 * std::max(1.0, std::fabs(expected)) + 1e-8)
          << what << ", input " << i << ", element " << k;
    }
  }
}

}  // namespace detail

// Checks the first derivative of f at `values` and, unless `orders` is 1, the derivative of that derivative.
inline void gradcheck(const std::string& name, const Function& f, const std::vector<Tensor>& values,
                      int orders = 2) {
  detail::check_once(f, values, name);
  std::vector<Tensor> views;
  for (const Tensor& v : values) views.push_back(strided(v));
  detail::check_once(f, views, name + " (strided)");
  if (orders < 2) return;
  const Function slope = [&](const std::vector<Tensor>& at) {
    const EnableGradGuard enable;
    std::vector<Tensor> inputs;
    for (const Tensor& x : at) inputs.push_back(x.requires_grad() ? x : x.detach().set_requires_grad());
    const std::vector<Tensor> first = grad(std::vector<Tensor>{weighted_sum(f(inputs))}, inputs, {},
                                           {.create_graph = true, .allow_unused = true});
    Tensor total = zeros({}, {.dtype = kFloat64});
    for (std::size_t i = 0; i < first.size(); ++i) {
      if (first[i].defined()) total = total + weighted_sum(first[i], 7 + static_cast<unsigned>(i));
    }
    // A linear f has a constant derivative; the term keeps it a function of its inputs.
    for (const Tensor& x : inputs) total = total + sum(mul(x, 0.0));
    return total;
  };
  detail::check_once(slope, values, name + " (second derivative)");
}

}  // namespace sconce::testing
