#include "sconce/kernels/conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "kernels/conv_sizes.h"
#include "kernels/dnnl/conv.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

using kernels::Backend;
using test::BackendScope;
using test::code_of;
using test::PoisonScope;
using test::Random;
using test::relative_difference;
using test::ThreadsScope;

struct Case {
  Shape image, weight;
  Conv2dParams params;
  std::string str() const {
    return cat("image ", image.str(), " weight ", weight.str(), " stride ", params.stride.h, ",",
               params.stride.w, " padding ", params.padding.h, ",", params.padding.w, " dilation ",
               params.dilation.h, ",", params.dilation.w, " groups ", params.groups);
  }
};

// A convolution whose window fits, with up to `channels` channels per group and images up to `size` wide.
Case random_case(Random& random, std::int64_t channels, std::int64_t size) {
  while (true) {
    const std::int64_t groups = random.coin() ? 1 : random.integer(1, 4);
    const std::int64_t in = random.integer(1, channels);
    const std::int64_t out = random.integer(1, channels) * groups;
    Case c;
    c.image = {random.integer(1, 4), in * groups, random.integer(1, size), random.integer(1, size)};
    c.weight = {out, in, random.integer(1, 5), random.integer(1, 5)};
    c.params = {{random.integer(1, 3), random.integer(1, 3)},
                {random.integer(0, 3), random.integer(0, 3)},
                random.coin() ? Pair(1) : Pair(random.integer(1, 3), random.integer(1, 3)),
                groups};
    const auto fits = [&](std::int64_t pixels, std::int64_t kernel, std::int64_t padding,
                          std::int64_t dilation) {
      return pixels + 2 * padding >= dilation * (kernel - 1) + 1;
    };
    if (fits(c.image[2], c.weight[2], c.params.padding.h, c.params.dilation.h) &&
        fits(c.image[3], c.weight[3], c.params.padding.w, c.params.dilation.w)) {
      return c;
    }
  }
}

// The definition, element by element: calls term(n, o, y, x, channel of the group, ky, kx, image y, image x).
template <class Term>
void for_each_product(const Case& c, Term&& term) {
  const Shape out = kernels::conv2d_shape(c.image, c.weight, c.params);
  for (std::int64_t n = 0; n < out[0]; ++n) {
    for (std::int64_t o = 0; o < out[1]; ++o) {
      for (std::int64_t y = 0; y < out[2]; ++y) {
        for (std::int64_t x = 0; x < out[3]; ++x) {
          for (std::int64_t i = 0; i < c.weight[1]; ++i) {
            for (std::int64_t ky = 0; ky < c.weight[2]; ++ky) {
              for (std::int64_t kx = 0; kx < c.weight[3]; ++kx) {
                const std::int64_t iy = y * c.params.stride.h - c.params.padding.h + ky * c.params.dilation.h;
                const std::int64_t ix = x * c.params.stride.w - c.params.padding.w + kx * c.params.dilation.w;
                if (iy < 0 || ix < 0 || iy >= c.image[2] || ix >= c.image[3]) continue;
                const std::int64_t channel = o / (out[1] / c.params.groups) * c.weight[1] + i;
                term(((n * out[1] + o) * out[2] + y) * out[3] + x,
                     ((n * c.image[1] + channel) * c.image[2] + iy) * c.image[3] + ix,
                     ((o * c.weight[1] + i) * c.weight[2] + ky) * c.weight[3] + kx);
              }
            }
          }
        }
      }
    }
  }
}

TEST(ConvReference, EqualsTheDefinition) {
  const PoisonScope poison;
  Random random(1);
  for (int i = 0; i < 60; ++i) {
    const Case c = random_case(random, 3, 7);
    SCOPED_TRACE(c.str());
    const Array image = random.normal(c.image, kFloat64);
    const Array weight = random.normal(c.weight, kFloat64);
    const Array bias = random.normal({c.weight[0]}, kFloat64);
    const Shape shape = kernels::conv2d_shape(c.image, c.weight, c.params);
    const Array grad = random.normal(shape, kFloat64);

    Array out = Array::zeros(shape, kFloat64);
    Array image_grad = Array::zeros(c.image, kFloat64);
    Array weight_grad = Array::zeros(c.weight, kFloat64);
    double* y = out.mutable_data<double>();
    double* dx = image_grad.mutable_data<double>();
    double* dw = weight_grad.mutable_data<double>();
    for_each_product(c, [&](std::int64_t o, std::int64_t x, std::int64_t w) {
      y[o] += image.data<double>()[x] * weight.data<double>()[w];
      dx[x] += grad.data<double>()[o] * weight.data<double>()[w];
      dw[w] += grad.data<double>()[o] * image.data<double>()[x];
    });
    const std::int64_t plane = shape[2] * shape[3];
    for (std::int64_t k = 0; k < out.numel(); ++k) y[k] += bias.data<double>()[k / plane % shape[1]];

    EXPECT_LT(relative_difference(kernels::conv2d(image, weight, bias, c.params), out), 1e-13);
    EXPECT_LT(
        relative_difference(kernels::conv2d_backward_input(grad, weight, c.image, c.params), image_grad),
        1e-13);
    EXPECT_LT(
        relative_difference(kernels::conv2d_backward_weight(grad, image, c.weight, c.params), weight_grad),
        1e-13);
  }
}

// What rounding to float32 may leave when n products are added one after the other: errors of 2^-24 with
// random signs grow with the square root of n; twice that for the worst of many elements. One thread adds up
// whole weight gradients where several add parts.
double rounding_of_sum(std::int64_t n) {
  return std::max(1e-6, 2 * std::sqrt(static_cast<double>(n)) * std::ldexp(1.0, -24));
}

void expect_fast_equals_reference(Random& random, const Case& c) {
  SCOPED_TRACE(c.str());
  const bool scatter = random.coin();
  const auto layout = [&](const Array& array) { return scatter ? random.scattered(array) : array; };
  const Array image = layout(random.normal(c.image));
  const Array weight = layout(random.normal(c.weight));
  const Array bias = random.coin() ? layout(random.normal({c.weight[0]})) : Array();
  const Array grad = layout(random.normal(kernels::conv2d_shape(c.image, c.weight, c.params)));
  const auto wide = [](const Array& array) { return array.defined() ? array.cast(kFloat64) : array; };

  EXPECT_LT(relative_difference(kernels::conv2d(image, weight, bias, c.params),
                                kernels::reference::conv2d(wide(image), wide(weight), wide(bias), c.params)),
            1e-6);
  EXPECT_LT(relative_difference(
                kernels::conv2d_backward_input(grad, weight, c.image, c.params),
                kernels::reference::conv2d_backward_input(wide(grad), wide(weight), c.image, c.params)),
            1e-6);
  EXPECT_LT(relative_difference(
                kernels::conv2d_backward_weight(grad, image, c.weight, c.params),
                kernels::reference::conv2d_backward_weight(wide(grad), wide(image), c.weight, c.params)),
            rounding_of_sum(grad.numel() / grad.size(1)));
}

TEST(Conv, FastPathEqualsReferenceOnRandomShapes) {
  const PoisonScope poison;
  Random random(2);
  for (const int threads : {1, 2}) {
    const ThreadsScope scope(threads);
    for (int i = 0; i < 150; ++i) expect_fast_equals_reference(random, random_case(random, 20, 15));
  }
}

TEST(Conv, FastPathEqualsReferenceOnUsualLayers) {
  const PoisonScope poison;
  Random random(3);
  const std::vector<Case> layers = {
      {{4, 3, 32, 32}, {6, 3, 5, 5}, {}},
      {{4, 6, 14, 14}, {16, 6, 5, 5}, {}},
      {{2, 16, 28, 28}, {32, 16, 3, 3}, {.padding = 1}},
      {{2, 3, 64, 64}, {16, 3, 7, 7}, {.stride = 2, .padding = 3}},
      {{2, 32, 14, 14}, {64, 32, 1, 1}, {.stride = 2}},
      {{2, 24, 14, 14}, {24, 1, 3, 3}, {.padding = 1, .groups = 24}},
      {{2, 32, 9, 9}, {64, 16, 3, 3}, {.padding = 1, .groups = 2}},
      {{1, 16, 20, 20}, {16, 16, 3, 3}, {.padding = 4, .dilation = 4}},
      {{1, 8, 6, 6}, {8, 8, 3, 3}, {.padding = {5, 4}}},
  };
  for (const Case& c : layers) expect_fast_equals_reference(random, c);
}

TEST(Conv, OneDnnServesUsualLayers) {
  Random random(4);
  const Case c{{4, 3, 32, 32}, {6, 3, 5, 5}, {}};
  const auto sizes = kernels::conv_sizes(c.image, c.weight, c.params);
  const Array image = random.normal(c.image);
  const Array weight = random.normal(c.weight);
  const Array grad = random.normal(sizes.output_shape());
  EXPECT_TRUE(kernels::onednn::conv2d(sizes, image, weight, {}).defined());
  EXPECT_TRUE(kernels::onednn::conv2d_backward_input(sizes, grad, weight).defined());
  EXPECT_TRUE(kernels::onednn::conv2d_backward_weight(sizes, grad, image).defined());
}

TEST(Conv, BackendChoosesThePlainLoops) {
  Random random(5);
  const Case c{{4, 8, 16, 16}, {16, 8, 3, 3}, {}};
  const Array image = random.normal(c.image);
  const Array weight = random.normal(c.weight);
  const BackendScope scope(Backend::kReference);
  EXPECT_EQ(kernels::backend(), Backend::kReference);
  const Array plain = kernels::conv2d(image, weight, {}, c.params);
  EXPECT_TRUE(plain.same_bits(kernels::reference::conv2d(image, weight, {}, c.params)));
}

TEST(Conv, SameBitsEachRun) {
  Random random(6);
  const Case c{{4, 6, 14, 14}, {16, 6, 5, 5}, {}};
  const Array image = random.normal(c.image);
  const Array weight = random.normal(c.weight);
  const Array bias = random.normal({16});
  const Array grad = random.normal(kernels::conv2d_shape(c.image, c.weight, c.params));
  const Array out = kernels::conv2d(image, weight, bias, c.params);
  const Array dx = kernels::conv2d_backward_input(grad, weight, c.image, c.params);
  const Array dw = kernels::conv2d_backward_weight(grad, image, c.weight, c.params);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(kernels::conv2d(image, weight, bias, c.params).same_bits(out));
    EXPECT_TRUE(kernels::conv2d_backward_input(grad, weight, c.image, c.params).same_bits(dx));
    EXPECT_TRUE(kernels::conv2d_backward_weight(grad, image, c.weight, c.params).same_bits(dw));
  }
}

TEST(Conv, ManyThreadsMayConvolveAtOnce) {
  Random random(7);
  std::vector<Case> cases;
  std::vector<Array> images, weights, expected;
  for (int i = 0; i < 6; ++i) {
    cases.push_back(random_case(random, 16, 15));
    images.push_back(random.normal(cases.back().image));
    weights.push_back(random.normal(cases.back().weight));
    expected.push_back(kernels::conv2d(images.back(), weights.back(), {}, cases.back().params));
  }
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 30; ++i) {
        const std::size_t k = (i + t) % cases.size();
        if (!kernels::conv2d(images[k], weights[k], {}, cases[k].params).same_bits(expected[k])) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(Conv, WorksInsideAParallelLoop) {
  const ThreadsScope scope(2);
  Random random(8);
  const Case c{{8, 16, 20, 20}, {16, 16, 3, 3}, {}};
  const Array image = random.normal(c.image);
  const Array grad = random.normal(kernels::conv2d_shape(c.image, c.weight, c.params));
  const Array expected = kernels::reference::conv2d_backward_weight(grad, image, c.weight, c.params);
  std::vector<double> difference(2, 1.0);
  parallel_for(2, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      difference[static_cast<std::size_t>(i)] =
          relative_difference(kernels::conv2d_backward_weight(grad, image, c.weight, c.params), expected);
    }
  });
  EXPECT_LT(difference[0], 1e-5);
  EXPECT_LT(difference[1], 1e-5);
}

TEST(Conv, EmptyBatchGivesEmptyResults) {
  const Array image = Array::zeros({0, 3, 8, 8});
  const Array weight = Array::ones({4, 3, 3, 3});
  const Array out = kernels::conv2d(image, weight, {}, {});
  EXPECT_EQ(out.shape(), (Shape{0, 4, 6, 6}));
  EXPECT_EQ(kernels::conv2d_backward_input(out, weight, image.shape(), {}).shape(), image.shape());
  EXPECT_TRUE(
      kernels::conv2d_backward_weight(out, image, weight.shape(), {}).same_bits(Array::zeros({4, 3, 3, 3})));
  EXPECT_TRUE(kernels::conv2d_backward_bias(out).same_bits(Array::zeros({4})));
}

TEST(Conv, BiasGradientSumsEverythingButChannels) {
  const PoisonScope poison;
  Random random(9);
  const Array grad = random.scattered(random.normal({3, 5, 7, 6}));
  const auto values = grad.to_vector<double>();
  std::vector<double> sums(5, 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) sums[i / 42 % 5] += values[i];
  EXPECT_LT(relative_difference(kernels::conv2d_backward_bias(grad), Array::from(sums, {5})), 1e-6);
}

TEST(Conv, Rejects) {
  const Array image = Array::zeros({2, 3, 8, 8});
  const Array weight = Array::zeros({4, 3, 3, 3});
  const auto run = [](const Array& x, const Array& w, const Array& b, const Conv2dParams& params) {
    return code_of([&] { kernels::conv2d(x, w, b, params); });
  };
  EXPECT_EQ(run(Array::zeros({3, 8, 8}), weight, {}, {}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(image, Array::zeros({4, 3, 3}), {}, {}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(Array::zeros({2, 1, 8, 8}), weight, {}, {}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(Array::zeros({2, 3, 2, 8}), weight, {}, {}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(image, weight, Array::zeros({3}), {}), ErrorCode::kShapeMismatch);
  EXPECT_EQ(run(image, weight.cast(kFloat64), {}, {}), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(run(image.cast(kInt64), weight.cast(kInt64), {}, {}), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(run(image, weight, {}, {.stride = 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(image, weight, {}, {.padding = -1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(image, weight, {}, {.dilation = 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(image, weight, {}, {.padding = std::int64_t{1} << 40}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(image, weight, {}, {.groups = 3}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(image, weight, {}, {.groups = 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(image, Array::zeros({4, 3, 0, 3}), {}, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { kernels::conv2d_backward_input(image, weight, image.shape(), {}); }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { kernels::conv2d_backward_weight(image, image, weight.shape(), {}); }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { kernels::conv2d_backward_bias(Array::zeros({2, 3})); }), ErrorCode::kShapeMismatch);
}

}  // namespace
}  // namespace sconce
