// Kernels of images in blocks of channels against those of planes, in every instruction set that has blocks.
#include "sconce/kernels/blocked.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "sconce/kernels/backend.h"
#include "sconce/kernels/elementwise.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

using kernels::Backend;
using kernels::Isa;
using kernels::Window;
using test::all_isas;
using test::BackendScope;
using test::code_of;
using test::IsaScope;
using test::PoisonScope;
using test::Random;
using test::relative_difference;
using test::ThreadsScope;
namespace blocked = kernels::blocked;
namespace reference = kernels::reference;

// Calls body(random) in every instruction set that has blocks, with memory that starts as NaN.
template <class Body>
void for_each_isa(unsigned seed, const Body& body) {
  const PoisonScope poison;
  for (const Isa isa : all_isas()) {
    const IsaScope scope(isa);
    if (blocked::block_size() == 0) continue;
    SCOPED_TRACE(cat("blocks of ", blocked::block_size()));
    Random random(seed);
    body(random);
  }
}

Shape random_image(Random& random) {
  return {random.integer(1, 3), random.integer(1, 3) * blocked::block_size(), random.integer(1, 13),
          random.integer(1, 13)};
}

void expect_same(const Array& expected, const Array& found) {
  ASSERT_EQ(expected.shape(), found.shape());
  ASSERT_EQ(expected.dtype(), found.dtype());
  const Array a = expected.contiguous();
  const Array b = found.contiguous();
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.nbytes()), 0) << expected.shape();
}

// Batch normalisation with given statistics.
Array normalised(const Array& input, const Array& mean, const Array& inverse_deviation, const Array& weight,
                 const Array& bias) {
  blocked::Joined joined{blocked::batch_norm_term(input, mean, inverse_deviation, weight, bias), {}, false};
  return blocked::evaluate(joined);
}

TEST(Blocked, ThereAndBack) {
  for_each_isa(1, [](Random& random) {
    for (int i = 0; i < 40; ++i) {
      const Array image = random.normal(random_image(random));
      const Array blocks = blocked::from_plain(image);
      EXPECT_EQ(blocks.shape()[4], blocked::block_size());
      EXPECT_EQ(blocked::plain_shape(blocks), image.shape());
      expect_same(image, blocked::to_plain(blocks));
      const auto b = blocked::block_size();
      const Shape& s = image.shape();
      const std::int64_t c = random.integer(0, s[1] - 1);
      const std::int64_t y = random.integer(0, s[2] - 1);
      const std::int64_t x = random.integer(0, s[3] - 1);
      EXPECT_EQ(image.index({0, c, y, x}).item<float>(), blocks.index({0, c / b, y, x, c % b}).item<float>());
      expect_same(image,
                  blocked::to_plain(blocked::from_plain(image.transpose(2, 3).contiguous().transpose(2, 3))));
    }
  });
}

TEST(Blocked, RefusesWhatHasNone) {
  EXPECT_FALSE(blocked::fits({1, 3, 4, 4}));
  EXPECT_FALSE(blocked::fits({16, 4, 4}));
  EXPECT_THROW(blocked::from_plain(Array::zeros({1, 3, 4, 4})), Error);
  EXPECT_THROW(blocked::to_plain(Array::zeros({1, 16, 4, 4})), Error);
  EXPECT_THROW(blocked::to_plain(Array::zeros({1, 1, 4, 4, 7})), Error);
  const IsaScope plain(Isa::kPlain);
  EXPECT_EQ(blocked::block_size(), 0);
  EXPECT_FALSE(blocked::fits({1, 16, 4, 4}));
}

struct Convolution {
  Shape image, weight;
  Conv2dParams params;
};

// What blocks take: whole blocks, or three planes at the beginning of a network. Half of them suit Winograd.
Convolution random_convolution(Random& random) {
  const std::int64_t b = blocked::block_size();
  const std::int64_t in = random.integer(0, 4) == 0 ? random.integer(1, 3) : random.integer(1, 3) * b;
  const bool winograd = random.coin();
  while (true) {
    const std::int64_t kernel = winograd ? 3 : random.integer(1, 5);
    const Convolution c{
        {random.integer(1, 3), in, random.integer(1, 20), random.integer(1, 20)},
        {random.integer(1, 3) * b, in, kernel, kernel},
        {winograd ? 1 : random.integer(1, 2), winograd ? random.integer(0, 1) : random.integer(0, 2),
         winograd ? 1 : random.integer(1, 2)}};
    const std::int64_t reach = c.params.dilation.h * (kernel - 1);
    const std::int64_t padding = 2 * c.params.padding.h;
    if (c.image[2] + padding > reach && c.image[3] + padding > reach) return c;
  }
}

// Largest distance over the root of the mean square: what Winograd's rounding is held against.
double spread(const Array& found, const Array& expected) {
  const std::vector<double> a = found.to_vector<double>();
  const std::vector<double> b = expected.to_vector<double>();
  double square = 0;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    square += b[i] * b[i];
    most = std::max(most, std::abs(a[i] - b[i]));
  }
  return most / std::max(1e-30, std::sqrt(square / static_cast<double>(a.size())));
}

TEST(Blocked, ConvolutionsEqualTheReference) {
  for (const Backend backend : {Backend::kDefault, Backend::kExact}) {
    const BackendScope scope(backend);
    for_each_isa(2, [&](Random& random) {
      int computed = 0;
      for (int i = 0; i < 60; ++i) {
        const Convolution c = random_convolution(random);
        SCOPED_TRACE(cat("image ", c.image, " weight ", c.weight, " stride ", c.params.stride.h, " padding ",
                         c.params.padding.h, " dilation ", c.params.dilation.h));
        const ThreadsScope threads(static_cast<int>(random.integer(1, 3)));
        ASSERT_TRUE(blocked::takes_conv2d(kFloat32, c.image, c.weight, c.params));
        const Array image = random.normal(c.image);
        const Array weight = random.normal(c.weight);
        const Array bias = random.coin() ? random.normal({c.weight[0]}) : Array();
        const Shape out_shape = kernels::conv2d_shape(c.image, c.weight, c.params);
        const Array grad = random.normal(out_shape);
        const auto wide = [](const Array& a) { return a.defined() ? a.cast(kFloat64) : a; };
        const auto either = [&](const Array& a) {
          return blocked::fits(a.shape()) && random.coin() ? blocked::from_plain(a) : a;
        };
        const auto plain = [](const Array& a) { return a.rank() == 5 ? blocked::to_plain(a) : a; };

        const Array y = blocked::conv2d(either(image), weight, bias, c.params);
        const Array dx = blocked::conv2d_backward_input(either(grad), weight, c.image, c.params);
        const Array dw = blocked::conv2d_backward_weight(either(grad), either(image), c.weight, c.params);
        if (y.defined()) {
          ++computed;
          EXPECT_EQ(y.rank(), 5U);
          EXPECT_LT(spread(plain(y), reference::conv2d(wide(image), wide(weight), wide(bias), c.params)),
                    1e-5);
        }
        if (dx.defined()) {
          EXPECT_EQ(dx.rank() == 5, blocked::fits(c.image));
          EXPECT_LT(spread(plain(dx),
                           reference::conv2d_backward_input(wide(grad), wide(weight), c.image, c.params)),
                    1e-5);
        }
        if (dw.defined()) {
          EXPECT_LT(
              spread(dw, reference::conv2d_backward_weight(wide(grad), wide(image), c.weight, c.params)),
              1e-5);
        }
        EXPECT_LT(spread(blocked::conv2d_backward_bias(blocked::from_plain(grad)),
                         kernels::conv2d_backward_bias(wide(grad))),
                  1e-6);
      }
      EXPECT_GT(computed, 50);
    });
  }
}

// The weight that inference keeps in another order is that of now.
TEST(Blocked, InferenceFollowsTheWeight) {
  for_each_isa(12, [](Random& random) {
    const std::int64_t b = blocked::block_size();
    Array weight = random.normal({b, b, 3, 3});
    const Array other = random.normal({b, b, 3, 3});
    const Array image = random.normal({2, b, 12, 12});
    const auto infer = [&](const Array& w) {
      return blocked::to_plain(blocked::conv2d(blocked::from_plain(image), w, {}, {.padding = 1}, true));
    };
    const auto expected = [&](const Array& w) {
      return reference::conv2d(image.cast(kFloat64), w.cast(kFloat64), {}, {.padding = 1});
    };
    const Array first = infer(weight);
    EXPECT_LT(spread(first, expected(weight)), 1e-5);
    expect_same(first, infer(weight));
    weight.copy_from(other);
    EXPECT_LT(spread(infer(weight), expected(other)), 1e-5);
    expect_same(infer(weight), infer(other));
    // Another view of the same memory is another weight.
    const Array turned = weight.transpose(0, 1);
    EXPECT_LT(spread(infer(turned), expected(turned)), 1e-5);
    EXPECT_LT(spread(infer(weight), expected(weight)), 1e-5);
    // Planes of another size may want another order.
    EXPECT_LT(spread(blocked::to_plain(blocked::conv2d(image.narrow(2, 0, 4), weight, {}, {}, true)),
                     reference::conv2d(image.narrow(2, 0, 4).cast(kFloat64), weight.cast(kFloat64), {}, {})),
              1e-5);
  });
}

TEST(Blocked, ConvolutionsRefuseWhatDoesNotFit) {
  for_each_isa(3, [](Random& random) {
    const std::int64_t b = blocked::block_size();
    const Array image = blocked::from_plain(random.normal({2, b, 6, 6}));
    EXPECT_THROW(blocked::conv2d(image, random.normal({b, b + 1, 3, 3}), {}, {}), Error);
    EXPECT_THROW(blocked::conv2d(image, random.normal({b, b, 3, 3}), random.normal({b + 1}), {}), Error);
    EXPECT_THROW(blocked::conv2d_backward_input(image, random.normal({b, b, 3, 3}), {2, b, 6, 6}, {}), Error);
    EXPECT_THROW(blocked::conv2d_backward_weight(image, image, {b, b, 3, 3}, {}), Error);
    EXPECT_FALSE(blocked::takes_conv2d(kFloat64, {2, b, 6, 6}, {b, b, 3, 3}, {}));
    EXPECT_FALSE(blocked::takes_conv2d(kFloat32, {2, b, 6, 6}, {b + 1, b, 3, 3}, {}));
    EXPECT_FALSE(blocked::takes_conv2d(kFloat32, {2, b, 6, 6}, {b, b / 2, 3, 3}, {.groups = 2}));
    const BackendScope scope(Backend::kReference);
    EXPECT_FALSE(blocked::takes_conv2d(kFloat32, {2, b, 6, 6}, {b, b, 3, 3}, {}));
  });
}

TEST(Blocked, BatchNormEqualsTheReference) {
  for_each_isa(4, [](Random& random) {
    for (int i = 0; i < 150; ++i) {
      Shape shape = random_image(random);
      if (shape[0] * shape[2] * shape[3] < 8) shape[0] = 8;  // of fewer, some gradients are but rounding
      SCOPED_TRACE(cat(shape));
      const ThreadsScope threads(static_cast<int>(random.integer(1, 3)));
      const Array x = random.normal(shape);
      const Array g = random.normal(shape);
      const Array weight = random.coin() ? random.normal({shape[1]}) : Array();
      const Array bias = random.coin() ? random.normal({shape[1]}) : Array();
      const auto wide = [](const Array& a) { return a.defined() ? a.cast(kFloat64) : a; };
      const auto expected = reference::batch_norm_statistics(x, 1e-5);
      const auto found = blocked::batch_norm_statistics(blocked::from_plain(x), 1e-5);
      EXPECT_LT(relative_difference(found.mean, expected.mean.cast(kFloat64)), 1e-6);
      EXPECT_LT(relative_difference(found.variance, expected.variance.cast(kFloat64)), 1e-6);
      EXPECT_LT(relative_difference(found.inverse_deviation, expected.inverse_deviation.cast(kFloat64)),
                1e-6);
      // From the same statistics, the same bits as in planes.
      expect_same(kernels::batch_norm_apply(x, expected.mean, expected.inverse_deviation, weight, bias),
                  blocked::to_plain(normalised(blocked::from_plain(x), expected.mean,
                                               expected.inverse_deviation, weight, bias)));
      const Array mean = wide(expected.mean);
      const Array inverse = wide(expected.inverse_deviation);
      for (const bool training : {true, false}) {
        const auto plain =
            reference::batch_norm_backward(wide(g), wide(x), mean, inverse, wide(weight), training);
        const auto blocks =
            blocked::batch_norm_backward(blocked::from_plain(g), blocked::from_plain(x), expected.mean,
                                         expected.inverse_deviation, weight, training);
        EXPECT_LT(relative_difference(blocked::to_plain(blocks.input), plain.input), 1e-5);
        EXPECT_LT(relative_difference(blocks.weight, plain.weight), 1e-5);
        EXPECT_LT(relative_difference(blocks.bias, plain.bias), 1e-5);
      }
    }
  });
}

// An operand, in planes and as a term; values among which are zeros of both signs and NaN.
struct Operand {
  Array plain;  // what the term comes to
  blocked::Joined::Term term;
};

Operand random_operand(Random& random, const Shape& shape) {
  Array x = random.normal(shape);
  auto* values = x.mutable_data<float>();
  for (std::int64_t k = 0; k < x.numel(); ++k) {
    if (random.integer(0, 9) == 0) values[k] = std::numeric_limits<float>::quiet_NaN();
    if (random.integer(0, 3) == 0) values[k] = random.coin() ? 0.0F : -0.0F;
  }
  if (random.coin()) return {x, {blocked::from_plain(x), {}, {}}};
  const Shape channels{shape[1]};
  const Array mean = random.normal(channels);
  const Array inverse = random.normal(channels);
  const Array weight = random.coin() ? random.normal(channels) : Array();
  const Array bias = random.coin() ? random.normal(channels) : Array();
  return {kernels::batch_norm_apply(x, mean, inverse, weight, bias),
          blocked::batch_norm_term(blocked::from_plain(x), mean, inverse, weight, bias)};
}

TEST(Blocked, JoinedHasTheBitsOfOneAfterTheOther) {
  for_each_isa(8, [](Random& random) {
    for (int i = 0; i < 200; ++i) {
      const Shape shape = random_image(random);
      SCOPED_TRACE(cat(shape));
      const ThreadsScope threads(static_cast<int>(random.integer(1, 3)));
      Operand first = random_operand(random, shape);
      Array expected = first.plain;
      blocked::Joined joined{first.term, {}, random.coin()};
      // A second operand, or the same image once more.
      if (random.coin()) {
        const Operand second = random.integer(0, 4) == 0 ? first : random_operand(random, shape);
        expected = kernels::add(expected, second.plain);
        joined.second = second.term;
      }
      if (joined.has_relu) expected = kernels::relu(expected);
      // Images that others hold stay as they are; otherwise their memory is taken.
      const bool is_held = random.coin();
      const Array before = first.term.image.clone();
      const std::byte* place = first.term.image.raw();
      if (!is_held) first.term.image = {};
      const Array out = blocked::evaluate(joined);
      expect_same(expected, blocked::to_plain(out));
      if (is_held) {
        expect_same(before, first.term.image);
      } else if (!joined.second) {
        EXPECT_EQ(out.raw(), place);
      }
    }
  });
}

TEST(Blocked, JoinedOfWhatDoesNotFit) {
  for_each_isa(9, [](Random& random) {
    const std::int64_t b = blocked::block_size();
    const Array x = blocked::from_plain(random.normal({2, b, 3, 3}));
    const Array larger = blocked::from_plain(random.normal({2, b, 3, 4}));
    const std::vector<float> few(static_cast<std::size_t>(b - 1), 1.0F);
    const std::vector<float> enough(static_cast<std::size_t>(b), 1.0F);
    const auto code = [](blocked::Joined joined) {
      return code_of([&] { (void)blocked::evaluate(joined); });
    };
    EXPECT_EQ(code({{x, {}, {}}, blocked::Joined::Term{larger, {}, {}}, false}), ErrorCode::kShapeMismatch);
    EXPECT_EQ(code({{x, few, few}, {}, false}), ErrorCode::kShapeMismatch);
    EXPECT_EQ(code({{x, enough, {}}, {}, false}), ErrorCode::kShapeMismatch);
    EXPECT_EQ(code({{random.normal({2, b, 3, 3}), {}, {}}, {}, false}), ErrorCode::kShapeMismatch);
    EXPECT_EQ(code({{x.cast(kInt32), {}, {}}, {}, false}), ErrorCode::kDTypeMismatch);
  });
}

TEST(Blocked, PoolingHasTheBitsOfThePlainOne) {
  for_each_isa(5, [](Random& random) {
    for (int i = 0; i < 200; ++i) {
      const Shape shape = random_image(random);
      const ThreadsScope threads(static_cast<int>(random.integer(1, 3)));
      Window w{{random.integer(1, 3), random.integer(1, 3)}, {random.integer(1, 3), random.integer(1, 3)}};
      w.padding = {random.integer(0, w.kernel.h / 2), random.integer(0, w.kernel.w / 2)};
      if (random.coin()) w.dilation = {random.integer(1, 2), random.integer(1, 2)};
      const bool ceil_mode = random.coin();
      SCOPED_TRACE(cat(shape, " kernel ", w.kernel.h, ",", w.kernel.w, " stride ", w.stride.h, ",",
                       w.stride.w, " padding ", w.padding.h, ",", w.padding.w, " dilation ", w.dilation.h,
                       ",", w.dilation.w));
      Array x = random.normal(shape);
      auto* values = x.mutable_data<float>();
      for (std::int64_t k = 0; k < x.numel(); ++k) {
        if (random.integer(0, 9) == 0) values[k] = std::numeric_limits<float>::quiet_NaN();
        if (random.integer(0, 3) == 0) values[k] = 0;  // equal numbers: the first wins
      }
      kernels::MaxPool2dResult expected;
      try {
        expected = kernels::max_pool2d(x, w, ceil_mode);
      } catch (const Error&) {
        EXPECT_THROW(blocked::max_pool2d(blocked::from_plain(x), w, ceil_mode), Error);
        continue;
      }
      const auto found = blocked::max_pool2d(blocked::from_plain(x), w, ceil_mode);
      expect_same(expected.values, blocked::to_plain(found.values));
      expect_same(expected.places, blocked::to_plain(found.places));
      const Array g = random.normal(expected.values.shape());
      expect_same(
          kernels::max_pool2d_backward(g, expected.places, shape, w),
          blocked::to_plain(blocked::max_pool2d_backward(blocked::from_plain(g), found.places, shape)));
      expect_same(kernels::max_pool2d_gather(x, expected.places),
                  blocked::to_plain(blocked::max_pool2d_gather(blocked::from_plain(x), found.places)));
      w.dilation = 1;
      const kernels::AvgPool2dParams average{w, ceil_mode, random.coin(), {}};
      if (w.kernel.h <= shape[2] && w.kernel.w <= shape[3]) {
        const Array mean = kernels::avg_pool2d(x, average);
        expect_same(mean, blocked::to_plain(blocked::avg_pool2d(blocked::from_plain(x), average)));
        const Array h = random.normal(mean.shape());
        expect_same(kernels::avg_pool2d_backward(h, shape, average),
                    blocked::to_plain(blocked::avg_pool2d_backward(blocked::from_plain(h), shape, average)));
      }
      const Pair size{random.integer(1, 4), random.integer(1, 4)};
      const Array adaptive = kernels::adaptive_avg_pool2d(x, size);
      expect_same(adaptive, blocked::to_plain(blocked::adaptive_avg_pool2d(blocked::from_plain(x), size)));
      const Array h = random.normal(adaptive.shape());
      expect_same(kernels::adaptive_avg_pool2d_backward(h, shape),
                  blocked::to_plain(blocked::adaptive_avg_pool2d_backward(blocked::from_plain(h), shape)));
    }
  });
}

TEST(Blocked, PlacesBeyondThePlaneAreRefused) {
  for_each_isa(6, [](Random& random) {
    const Shape shape{1, blocked::block_size(), 4, 4};
    const Array x = blocked::from_plain(random.normal(shape));
    auto pooled = blocked::max_pool2d(x, {2, 2}, false);
    for (const std::int32_t place : {16, -2}) {
      pooled.places.mutable_data<std::int32_t>()[3] = place;
      EXPECT_THROW(blocked::max_pool2d_backward(pooled.values, pooled.places, shape), Error);
      EXPECT_THROW(blocked::max_pool2d_gather(x, pooled.places), Error);
    }
  });
}

TEST(BlockedThreads, GiveTheSameBitsWhateverTheirNumber) {
  if (blocked::block_size() == 0) GTEST_SKIP() << "no blocks without vector registers";
  Random random(7);
  const Shape shape{8, blocked::block_size() * 2, 64, 64};  // 4 MiB and more: cut into parts
  const Array x = blocked::from_plain(random.normal(shape));
  const Array g = blocked::from_plain(random.normal(shape));
  const auto all = [&] {
    const auto statistics = blocked::batch_norm_statistics(x, 1e-5);
    const auto gradients =
        blocked::batch_norm_backward(g, x, statistics.mean, statistics.inverse_deviation, {}, true);
    const auto pooled = blocked::max_pool2d(x, {3, 2, 1}, false);
    return std::array{statistics.mean,
                      statistics.inverse_deviation,
                      gradients.input,
                      gradients.weight,
                      pooled.values,
                      blocked::max_pool2d_backward(pooled.values, pooled.places, shape),
                      blocked::conv2d_backward_bias(g),
                      blocked::to_plain(x)};
  };
  const ThreadsScope one(1);
  const auto expected = all();
  for (const int threads : {2, 3}) {
    const ThreadsScope scope(threads);
    const auto found = all();
    for (std::size_t i = 0; i < found.size(); ++i) expect_same(expected[i], found[i]);
  }
}

}  // namespace
}  // namespace sconce
