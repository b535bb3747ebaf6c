// The direct convolutions against the plain loops in float64, in every instruction set that the machine has.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/direct/bands.h"
#include "kernels/direct/choice.h"
#include "kernels/direct/conv.h"
#include "kernels/direct/conv_sparse.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

using kernels::ConvSizes;
using kernels::Isa;
using test::all_isas;
using test::IsaScope;
using test::PoisonScope;
using test::Random;
using test::relative_difference;
using test::ThreadsScope;
namespace direct = kernels::direct;
namespace reference = kernels::reference;

std::string str(const ConvSizes& s) {
  const Conv2dParams& p = s.params;
  return cat("image ", s.image_shape().str(), " weight ", s.weight_shape().str(), " stride ", p.stride.h, ",",
             p.stride.w, " padding ", p.padding.h, ",", p.padding.w, " dilation ", p.dilation.h, ",",
             p.dilation.w, " groups ", p.groups);
}

// Channels 1 to 32 a group, kernels up to 7, every stride, padding and dilation; now and then a tall image,
// which is computed in bands.
ConvSizes random_sizes(Random& random) {
  while (true) {
    const std::int64_t groups = random.integer(0, 2) > 0 ? 1 : random.integer(2, 4);
    const std::int64_t channels = random.integer(0, 9) > 0 ? 9 : 32;
    const std::int64_t height = random.integer(0, 12) > 0 ? random.integer(1, 20) : random.integer(100, 250);
    const Shape image{random.integer(1, height < 50 ? 4 : 1), random.integer(1, channels) * groups, height,
                      random.integer(1, 24)};
    const Shape weight{random.integer(1, channels * 2) * groups, image[1] / groups, random.integer(1, 7),
                       random.integer(1, 7)};
    const Conv2dParams params{{random.integer(1, 3), random.integer(1, 3)},
                              {random.integer(0, 4), random.integer(0, 4)},
                              random.coin() ? Pair(1) : Pair(random.integer(1, 3), random.integer(1, 3)),
                              groups};
    const auto fits = [&](std::size_t dim, std::int64_t padding, std::int64_t dilation) {
      return image[dim] + 2 * padding > dilation * (weight[dim] - 1);
    };
    if (fits(2, params.padding.h, params.dilation.h) && fits(3, params.padding.w, params.dilation.w)) {
      return kernels::conv_sizes(image, weight, params);
    }
  }
}

// Zeros all but about one in `keep` numbers.
Array thinned(Random& random, Array array, std::int64_t keep) {
  auto* values = array.mutable_data<float>();
  for (std::int64_t i = 0; i < array.numel(); ++i) {
    if (random.integer(1, keep) != 1) values[i] = 0;
  }
  return array;
}

double tolerance(std::int64_t products) {
  return std::max(1e-6, 2 * std::sqrt(static_cast<double>(products)) * std::ldexp(1.0, -24));
}

TEST(DirectConv, EqualsTheReference) {
  const PoisonScope poison;
  for (const Isa isa : all_isas()) {
    const IsaScope scope(isa);
    Random random(static_cast<unsigned>(isa) + 11);
    for (int i = 0; i < 120; ++i) {
      const ConvSizes s = random_sizes(random);
      SCOPED_TRACE(cat("isa ", static_cast<int>(isa), " ", str(s)));
      const ThreadsScope threads(static_cast<int>(random.integer(1, 3)));
      const Array image = random.normal(s.image_shape());
      const Array weight = random.normal(s.weight_shape());
      const Array bias = random.coin() ? random.normal({s.out_channels}) : Array();
      const Array grad = thinned(random, random.normal(s.output_shape()), random.coin() ? 1 : 6);
      const auto wide = [](const Array& a) { return a.defined() ? a.cast(kFloat64) : a; };
      const std::int64_t terms = s.group_in() * s.kernel.h * s.kernel.w;
      EXPECT_LT(relative_difference(direct::conv2d(s, image, weight, bias),
                                    reference::conv2d(wide(image), wide(weight), wide(bias), s.params)),
                tolerance(terms));
      const Array dx = reference::conv2d_backward_input(wide(grad), wide(weight), image.shape(), s.params);
      EXPECT_LT(relative_difference(direct::conv2d_backward_input(s, grad, weight), dx), tolerance(terms));
      EXPECT_LT(relative_difference(direct::sparse_backward_input(s, grad, weight), dx), tolerance(terms));
      const Array dw = reference::conv2d_backward_weight(wide(grad), wide(image), weight.shape(), s.params);
      const std::int64_t products = s.batch * s.out.h * s.out.w;
      EXPECT_LT(relative_difference(direct::conv2d_backward_weight(s, grad, image), dw), tolerance(products));
      EXPECT_LT(relative_difference(direct::sparse_backward_weight(s, grad, image), dw), tolerance(products));
    }
  }
}

// Large enough for every pass to be cut into parts for several threads.
TEST(DirectConvThreads, GiveTheSameBitsWhateverTheirNumber) {
  Random random(5);
  const ConvSizes s = kernels::conv_sizes({400, 3, 20, 20}, {6, 3, 5, 5}, {});
  ASSERT_GT(400, 3 * direct::unit_grain(s, 400));
  const Array image = random.normal(s.image_shape());
  const Array weight = random.normal(s.weight_shape());
  const Array grad = random.normal(s.output_shape());
  const auto all = [&] {
    return std::array{direct::conv2d(s, image, weight, {}), direct::conv2d_backward_input(s, grad, weight),
                      direct::sparse_backward_input(s, grad, weight),
                      direct::conv2d_backward_weight(s, grad, image),
                      direct::sparse_backward_weight(s, grad, image)};
  };
  const ThreadsScope one(1);
  const auto expected = all();
  for (const int threads : {2, 3}) {
    const ThreadsScope scope(threads);
    const auto found = all();
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto* a = expected[i].data<float>();
      EXPECT_TRUE(std::equal(a, a + expected[i].numel(), found[i].data<float>()))
          << threads << " threads, result " << i;
    }
  }
}

// Infinity beside a window must not reach the gradient of a weight that never saw it.
TEST(DirectConv, KeepsInfinityWhereItIs) {
  Random random(6);
  const ConvSizes s = kernels::conv_sizes({2, 3, 20, 20}, {6, 3, 5, 5}, {});
  Array image = random.normal(s.image_shape());
  image.mutable_data<float>()[19] =
      std::numeric_limits<float>::infinity();  // in reach of the last column of taps only
  const Array grad = random.normal(s.output_shape());
  EXPECT_FALSE(direct::conv2d_backward_weight(s, grad, image).defined());
  const Array expected = reference::conv2d_backward_weight(grad, image, s.weight_shape(), s.params);
  const Array found = kernels::conv2d_backward_weight(grad, image, s.weight_shape(), s.params);
  for (std::int64_t i = 0; i < expected.numel(); ++i) {
    EXPECT_EQ(std::isfinite(expected.data<float>()[i]), std::isfinite(found.data<float>()[i])) << i;
  }
}

TEST(DirectConv, LeavesOutNoNan) {
  for (const Isa isa : all_isas()) {
    const IsaScope scope(isa);
    Random random(8);
    const ConvSizes s = kernels::conv_sizes({1, 3, 20, 20}, {6, 3, 5, 5}, {});
    Array grad = Array::zeros(s.output_shape());
    grad.mutable_data<float>()[20] = std::numeric_limits<float>::quiet_NaN();
    const Array weight = random.normal(s.weight_shape());
    EXPECT_FALSE(direct::sparse_backward_input(s, grad, weight).defined());
    const Array dx = kernels::conv2d_backward_input(grad, weight, s.image_shape(), s.params);
    const Array dw = direct::sparse_backward_weight(s, grad, random.normal(s.image_shape()));
    const auto nans = [](const Array& array) {
      const auto values = array.to_vector<double>();
      return std::count_if(values.begin(), values.end(), [](double value) { return std::isnan(value); });
    };
    EXPECT_EQ(nans(dx), 75);  // a window
    EXPECT_EQ(nans(dw), 75);  // one output channel's weights
  }
}

TEST(DirectConv, ChoosesByShapeAndZeros) {
  if (kernels::best_isa() == Isa::kPlain) GTEST_SKIP() << "no AVX2";
  using direct::Loops;
  Random random(7);
  const auto sizes = [](std::int64_t in, std::int64_t out) {
    return kernels::conv_sizes({8, in, 16, 16}, {out, in, 5, 5}, {});
  };
  const auto grad = [&](const ConvSizes& s, std::int64_t keep) {
    return thinned(random, random.normal(s.output_shape()), keep);
  };
  EXPECT_EQ(direct::forward_loops(sizes(3, 6)), Loops::kDense);
  EXPECT_EQ(direct::forward_loops(sizes(3, 32)), Loops::kOther);
  EXPECT_EQ(direct::forward_loops(sizes(512, 6)), Loops::kOther);
  EXPECT_EQ(direct::backward_weight_loops(sizes(3, 6), grad(sizes(3, 6), 8)), Loops::kSparse);
  EXPECT_EQ(direct::backward_weight_loops(sizes(512, 6), grad(sizes(512, 6), 8)), Loops::kOther);
  EXPECT_EQ(direct::backward_input_loops(sizes(6, 16), grad(sizes(6, 16), 8)), Loops::kSparse);
  EXPECT_EQ(direct::backward_input_loops(sizes(3, 6), grad(sizes(3, 6), 1)), Loops::kDense);
  EXPECT_EQ(direct::backward_input_loops(sizes(32, 32), grad(sizes(32, 32), 1)), Loops::kOther);
}

}  // namespace
}  // namespace sconce
