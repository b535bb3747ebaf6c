// Derivatives against central differences, in float64.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/grad_mode.h"
#include "sconce/tensor/reduce.h"

namespace sconce::test {

// A fixed pseudo-random tensor: the direction in which outputs are weighed.
inline Tensor direction(const Shape& shape, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> distribution(-1, 1);
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (double& value : values) value = distribution(engine);
  return Array::from(values, shape);
}

// Copies of `inputs` that require grad.
inline std::vector<Tensor> leaves_of(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) {
    Tensor leaf(input.array().clone());
    leaves.push_back(leaf.set_requires_grad());
  }
  return leaves;
}

// Expects the gradients of f(inputs) (float64 tensors, all differentiated) to equal central differences.
template <class Function>
void expect_gradients(const Function& f, const std::vector<Tensor>& inputs, double tolerance = 1e-6) {
  const std::vector<Tensor> leaves = leaves_of(inputs);
  const Tensor out = f(leaves);
  const Tensor weights = direction(out.shape(), 1);
  const std::vector<Tensor> outputs = {sum(out * weights)};
  GradOptions options;
  options.allow_unused = true;
  const std::vector<Tensor> gradients = grad(outputs, leaves, {}, options);

  const double step = 1e-6;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<double> values = inputs[i].to_vector<double>();
    const std::vector<double> found =
        gradients[i].defined() ? gradients[i].to_vector<double>() : std::vector<double>(values.size(), 0.0);
    ASSERT_EQ(found.size(), values.size()) << "input " << i;
    for (std::size_t k = 0; k < values.size(); ++k) {
      const auto objective = [&](double value) {
        const NoGradGuard no_grad;
        std::vector<double> moved = values;
        moved[k] = value;
        std::vector<Tensor> arguments = leaves_of(inputs);
        arguments[i] = Tensor(Array::from(moved, inputs[i].shape()));
        return sum(f(arguments) * weights).item();
      };
      const double expected = (objective(values[k] + step) - objective(values[k] - step)) / (2 * step);
      EXPECT_NEAR(found[k], expected, tolerance * (1 + std::abs(expected)))
          << "input " << i << ", element " << k;
    }
  }
}

// The same for second derivatives: the gradient of f, weighed in a fixed direction, is differentiated again.
template <class Function>
void expect_second_gradients(const Function& f, const std::vector<Tensor>& inputs, double tolerance = 1e-5) {
  const auto weighed_gradient = [&f](const std::vector<Tensor>& arguments) {
    const GradModeGuard recording(true);
    std::vector<Tensor> points;
    for (const Tensor& argument : arguments) {
      points.push_back(argument.requires_grad() ? argument : leaves_of({argument})[0]);
    }
    const Tensor out = f(points);
    const std::vector<Tensor> outputs = {sum(out * direction(out.shape(), 1))};
    GradOptions options;
    options.create_graph = true;
    options.allow_unused = true;
    const std::vector<Tensor> gradients = grad(outputs, points, {}, options);
    // A linear f has a constant gradient; the zero term keeps it a function of the inputs.
    Tensor total(Array::zeros({}, kFloat64));
    for (const Tensor& point : points) total = total + sum(mul(point, 0.0));
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      total = total + sum(gradients[i] * direction(gradients[i].shape(), 2 + static_cast<unsigned>(i)));
    }
    return total;
  };
  expect_gradients(weighed_gradient, inputs, tolerance);
}

}  // namespace sconce::test
