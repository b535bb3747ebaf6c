#include "sconce/kernels/pool.h"

#include <gtest/gtest.h>

#include "sconce/kernels/elementwise.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

using kernels::Backend;
using kernels::Window;
using test::BackendScope;
using test::code_of;
using test::PoisonScope;
using test::Random;
using test::relative_difference;

Window random_window(Random& random) {
  Window w{{random.integer(1, 4), random.integer(1, 4)}, {random.integer(1, 3), random.integer(1, 3)}, 0, 1};
  if (random.coin()) w.dilation = {random.integer(1, 2), random.integer(1, 2)};
  w.padding = {random.integer(0, (w.dilation.h * (w.kernel.h - 1) + 1) / 2),
               random.integer(0, (w.dilation.w * (w.kernel.w - 1) + 1) / 2)};
  return w;
}

// Windows along one direction, by trying: a start every stride while one fits (or, rounding up, begins on the
// image or its left padding).
std::int64_t count_by_trying(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                             std::int64_t padding, std::int64_t dilation, bool ceil_mode) {
  const std::int64_t reach = dilation * (kernel - 1) + 1;
  std::int64_t count = 0;
  if (size + 2 * padding < reach) return 0;
  for (std::int64_t start = -padding;; start += stride) {
    if (start + reach <= size + padding) {
      ++count;
    } else {
      // The last window may hang over when the one before ended short of the padded edge.
      const bool covered = start - stride + reach == size + padding;
      return count + (ceil_mode && !covered && start < size ? 1 : 0);
    }
  }
}

TEST(Window, CountsPositions) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const Window w = random_window(random);
    const std::int64_t size = random.integer(1, 12);
    const bool ceil_mode = random.coin();
    EXPECT_EQ(kernels::window_count(size, w.kernel.h, w.stride.h, w.padding.h, w.dilation.h, ceil_mode),
              count_by_trying(size, w.kernel.h, w.stride.h, w.padding.h, w.dilation.h, ceil_mode))
        << size << " " << w.kernel.h << " " << w.stride.h << " " << w.padding.h << " " << w.dilation.h << " "
        << ceil_mode;
  }
}

template <class Body>
void for_each_element(const Shape& s, Body&& body) {
  std::int64_t at = 0;
  for (std::int64_t plane = 0; plane < s[0] * s[1]; ++plane) {
    for (std::int64_t y = 0; y < s[2]; ++y) {
      for (std::int64_t x = 0; x < s[3]; ++x) body(at++, plane, y, x);
    }
  }
}

// A random image on which the window fits.
Shape random_image(Random& random, const Window& w) {
  const auto side = [&](std::int64_t kernel, std::int64_t padding, std::int64_t dilation) {
    return random.integer(std::max<std::int64_t>(1, dilation * (kernel - 1) + 1 - 2 * padding), 12);
  };
  const std::int64_t height = side(w.kernel.h, w.padding.h, w.dilation.h);
  return {random.integer(1, 3), random.integer(1, 3), height, side(w.kernel.w, w.padding.w, w.dilation.w)};
}

TEST(MaxPool2d, OfReluHasTheBitsOfOneAfterTheOther) {
  const PoisonScope poison;
  for (const kernels::Isa isa : test::all_isas()) {
    const test::IsaScope scope(isa);
    Random random(12);
    for (int i = 0; i < 300; ++i) {
      const bool is_common = random.coin();
      const Window w = is_common ? Window{2, 2, 0, 1} : random_window(random);
      const bool ceil_mode = random.coin();
      Shape shape = random_image(random, w);
      if (is_common) shape = {2, 3, random.integer(2, 40), random.integer(2, 70)};
      Array image = random.digits(shape, random.integer(0, 3) == 0 ? kFloat64 : kFloat32);
      kernels::mul_into(image,
                        Array::scalar(random.coin() ? 1.0 : -1.0).cast(image.dtype()));  // zeros become -0
      if (random.coin()) image.select(0, 0).select(0, 0).select(0, 0).select(0, 0).fill(NAN);
      if (random.coin()) image.select(0, 0).select(0, 0).select(0, 0).fill(-INFINITY);
      SCOPED_TRACE(cat(shape, " kernel ", w.kernel.h, ",", w.kernel.w));
      const Array rectified = kernels::relu(image);
      const auto expected = kernels::max_pool2d(rectified, w, ceil_mode);
      const auto found = kernels::relu_max_pool2d(random.scattered(image), w, ceil_mode);
      EXPECT_TRUE(found.values.same_bits(expected.values));
      EXPECT_TRUE(found.places.same_bits(expected.places));
      // Both derivatives, one after the other and at once.
      const Array grad = random.normal(expected.values.shape(), image.dtype());
      const Array through = kernels::max_pool2d_backward(grad, expected.places, shape, w);
      EXPECT_TRUE(kernels::max_pool2d_backward(grad, found.rising, shape, w)
                      .same_bits(kernels::relu_backward(through, rectified)));
    }
  }
}

TEST(MaxPool2d, TakesTheFirstLargestAndNanWins) {
  const PoisonScope poison;
  Random random(2);
  for (int i = 0; i < 200; ++i) {
    const Window w = random_window(random);
    const bool ceil_mode = random.coin();
    const Shape shape = random_image(random, w);
    Array image = random.digits(shape, random.coin() ? kFloat32 : kFloat64);
    if (random.coin()) image.select(0, 0).select(0, 0).select(0, 0).select(0, 0).fill(NAN);
    const auto pixels = image.to_vector<double>();
    const auto pooled = kernels::max_pool2d(random.scattered(image), w, ceil_mode);
    const Array values = pooled.values;
    const auto found = values.to_vector<double>();
    const auto places = pooled.places.to_vector<std::int64_t>();
    for_each_element(
        values.shape(), [&](std::int64_t at, std::int64_t plane, std::int64_t y, std::int64_t x) {
          double best = -INFINITY;
          std::int64_t place = -1;
          for (std::int64_t ky = 0; ky < w.kernel.h; ++ky) {
            for (std::int64_t kx = 0; kx < w.kernel.w; ++kx) {
              const std::int64_t iy = y * w.stride.h - w.padding.h + ky * w.dilation.h;
              const std::int64_t ix = x * w.stride.w - w.padding.w + kx * w.dilation.w;
              if (iy < 0 || ix < 0 || iy >= shape[2] || ix >= shape[3]) continue;
              const double value = pixels[static_cast<std::size_t>((plane * shape[2] + iy) * shape[3] + ix)];
              if (place < 0 || value > best || std::isnan(value)) {
                best = value;
                place = iy * shape[3] + ix;
              }
            }
          }
          const auto k = static_cast<std::size_t>(at);
          EXPECT_EQ(places[k], place);
          EXPECT_TRUE(found[k] == best || (std::isnan(found[k]) && std::isnan(best)));
        });
  }
}

TEST(MaxPool2d, TwoByTwoPathEqualsTheGeneralOne) {
  const PoisonScope poison;
  for (const kernels::Isa isa : test::all_isas()) {
    const test::IsaScope scope(isa);
    Random random(3);
    for (int i = 0; i < 200; ++i) {
      const Shape shape{random.integer(1, 3), random.integer(1, 4), random.integer(2, 13),
                        random.integer(2, 70)};
      Array image = random.digits(shape);
      for (int k = 0; k < 3; ++k) {
        image.view({-1}).select(0, random.integer(0, image.numel() - 1)).fill(k == 0 ? NAN : -INFINITY);
      }
      const Window window{2, 2, 0, 1};
      const auto fast = kernels::max_pool2d(image, window, false);
      const Array grad = random.normal(fast.values.shape());
      const Array back = kernels::max_pool2d_backward(grad, fast.places, shape, window);
      const BackendScope reference(Backend::kReference);
      const auto plain = kernels::max_pool2d(image, window, false);
      EXPECT_TRUE(fast.values.same_bits(plain.values));
      EXPECT_TRUE(fast.places.same_bits(plain.places));
      EXPECT_TRUE(back.same_bits(kernels::max_pool2d_backward(grad, plain.places, shape, window)));
    }
  }
}

TEST(MaxPool2d, BackwardAddsWhatGatherTakes) {
  const PoisonScope poison;
  Random random(4);
  for (int i = 0; i < 200; ++i) {
    const Window w = random_window(random);
    const Array image = random.normal(random_image(random, w), kFloat64);
    const auto pooled = kernels::max_pool2d(image, w, false);
    const Array values = pooled.values;
    const Array places = pooled.places;
    const auto gathered = kernels::max_pool2d_gather(image, random.scattered(places)).to_vector<double>();
    const auto best = values.to_vector<double>();
    for (std::size_t k = 0; k < best.size(); ++k) EXPECT_EQ(gathered[k], std::isinf(best[k]) ? 0 : best[k]);
    const Array grad = random.normal(values.shape(), kFloat64);
    const auto back = kernels::max_pool2d_backward(random.scattered(grad), places, image.shape(), w);
    std::vector<double> expected(static_cast<std::size_t>(image.numel()), 0.0);
    const std::int64_t plane = image.shape()[2] * image.shape()[3];
    for_each_element(grad.shape(), [&](std::int64_t at, std::int64_t p, std::int64_t, std::int64_t) {
      const std::int64_t place = places.data<std::int32_t>()[at];
      if (place < 0) return;
      expected[static_cast<std::size_t>(p * plane + place)] += grad.data<double>()[at];
    });
    EXPECT_EQ(back.to_vector<double>(), expected);
  }
}

double dot(const Array& a, const Array& b) {
  const auto x = a.to_vector<double>();
  const auto y = b.to_vector<double>();
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

TEST(AvgPool2d, AveragesEachWindow) {
  const PoisonScope poison;
  Random random(5);
  for (int i = 0; i < 200; ++i) {
    Window w = random_window(random);
    w.dilation = 1;
    w.padding = {random.integer(0, w.kernel.h / 2), random.integer(0, w.kernel.w / 2)};
    kernels::AvgPool2dParams params{w, random.coin(), random.coin(), {}};
    if (random.integer(0, 3) == 0) params.divisor_override = random.integer(1, 5);
    const Shape s = random_image(random, w);
    const Array image = random.normal(s, kFloat64);
    const Array out = kernels::avg_pool2d(random.scattered(image), params);
    for_each_element(out.shape(), [&](std::int64_t at, std::int64_t plane, std::int64_t y, std::int64_t x) {
      double sum = 0;
      std::int64_t inside = 0;
      std::int64_t padded = 0;
      for (std::int64_t iy = y * w.stride.h - w.padding.h; iy < y * w.stride.h - w.padding.h + w.kernel.h;
           ++iy) {
        for (std::int64_t ix = x * w.stride.w - w.padding.w; ix < x * w.stride.w - w.padding.w + w.kernel.w;
             ++ix) {
          if (iy < s[2] + w.padding.h && ix < s[3] + w.padding.w) ++padded;
          if (iy < 0 || ix < 0 || iy >= s[2] || ix >= s[3]) continue;
          ++inside;
          sum += image.data<double>()[(plane * s[2] + iy) * s[3] + ix];
        }
      }
      const std::int64_t divisor =
          params.divisor_override.value_or(params.count_include_pad ? padded : inside);
      EXPECT_NEAR(out.data<double>()[at], sum / static_cast<double>(divisor), 1e-13);
    });
    const Array grad = random.normal(out.shape(), kFloat64);
    const Array back = kernels::avg_pool2d_backward(random.scattered(grad), s, params);
    EXPECT_NEAR(dot(out, grad), dot(image, back), 1e-11);  // the transpose of a linear map
  }
}

TEST(AdaptiveAvgPool2d, WindowsCoverTheImage) {
  const PoisonScope poison;
  Random random(6);
  for (int i = 0; i < 200; ++i) {
    const Shape s{random.integer(1, 2), random.integer(1, 3), random.integer(1, 9), random.integer(1, 9)};
    const Pair size{random.integer(1, 10), random.integer(1, 10)};
    const Array image = random.normal(s, kFloat64);
    const Array out = kernels::adaptive_avg_pool2d(random.scattered(image), size);
    ASSERT_EQ(out.shape(), (Shape{s[0], s[1], size.h, size.w}));
    const auto edge = [](std::int64_t k, std::int64_t n, std::int64_t o, bool up) {
      const double exact = static_cast<double>(k) * static_cast<double>(n) / static_cast<double>(o);
      return static_cast<std::int64_t>(up ? std::ceil(exact) : std::floor(exact));
    };
    for_each_element(out.shape(), [&](std::int64_t at, std::int64_t plane, std::int64_t y, std::int64_t x) {
      double sum = 0;
      double count = 0;
      for (std::int64_t iy = edge(y, s[2], size.h, false); iy < edge(y + 1, s[2], size.h, true); ++iy) {
        for (std::int64_t ix = edge(x, s[3], size.w, false); ix < edge(x + 1, s[3], size.w, true); ++ix) {
          sum += image.data<double>()[(plane * s[2] + iy) * s[3] + ix];
          ++count;
        }
      }
      EXPECT_NEAR(out.data<double>()[at], sum / count, 1e-13);
    });
    const Array grad = random.normal(out.shape(), kFloat64);
    EXPECT_NEAR(dot(out, grad), dot(image, kernels::adaptive_avg_pool2d_backward(random.scattered(grad), s)),
                1e-11);
  }
}

TEST(Pool, Rejects) {
  const Array image = Array::zeros({2, 3, 6, 6});
  const Window two{2, 2, 0, 1};
  const auto max_code = [&](const Array& x, const Window& w) {
    return code_of([&] { kernels::max_pool2d(x, w, false); });
  };
  EXPECT_EQ(max_code(Array::zeros({3, 6, 6}), two), ErrorCode::kShapeMismatch);
  EXPECT_EQ(max_code(image.cast(kInt32), two), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(max_code(image, {0, 1, 0, 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(max_code(image, {2, 0, 0, 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(max_code(image, {2, 2, -1, 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(max_code(image, {2, 2, 0, 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(max_code(image, {2, 2, 2, 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(max_code(image, {7, 1, 0, 1}), ErrorCode::kShapeMismatch);
  const auto pooled = kernels::max_pool2d(image, two, false);
  const Array values = pooled.values;
  const Array places = pooled.places;
  EXPECT_EQ(code_of([&] {
              kernels::max_pool2d_backward(values, Array::full({2, 3, 3, 3}, 36, kInt32), {2, 3, 6, 6}, two);
            }),
            ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] {
              kernels::max_pool2d_backward(values, values, {2, 3, 6, 6}, two);
            }),
            ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] {
              kernels::max_pool2d_backward(values, places, {2, 4, 6, 6}, two);
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] {
              kernels::max_pool2d_backward(Array::zeros({2, 3, 2, 2}), places, {2, 3, 6, 6}, two);
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] {
              kernels::max_pool2d_gather(Array::zeros({2, 4, 6, 6}), places);
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] {
              kernels::avg_pool2d(image, {{2, 2, 0, 2}, false, true, {}});
            }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { kernels::avg_pool2d(image, {two, false, true, 0}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] {
              kernels::avg_pool2d_backward(image, image.shape(), {two, false, true, {}});
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { kernels::adaptive_avg_pool2d(image, {0, 1}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] {
              kernels::adaptive_avg_pool2d(Array::zeros({2, 3, 0, 6}), 1);
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] {
              kernels::adaptive_avg_pool2d_backward(image, {2, 4, 6, 6});
            }),
            ErrorCode::kShapeMismatch);
}

}  // namespace
}  // namespace sconce
