// Against PyTorch 2.x on x86-64 Linux: tests/golden/random/make.py.
#include "sconce/kernels/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include "base/error_matcher.h"
#include "support/digest.h"
#include "support/text_data.h"

namespace sconce {
namespace {

using test::sha256_of;

// One line of tests/golden/random/cases.txt.
struct Case {
  explicit Case(const std::string& line) {
    const std::vector<std::string> words = test::words_of(line);
    operation = words.at(0);
    dtype = dtype_from_name(words.at(1)).value();
    shape = test::shape_from_text(words.at(2));
    layout = words.at(3);
    seed = std::stoull(words.at(4));
    arguments.assign(words.begin() + 5, words.end() - 2);
    values_digest = words.at(words.size() - 2);
    state_digest = words.back();
  }
  double number(std::size_t i) const { return std::stod(arguments.at(i)); }
  std::int64_t integer(std::size_t i) const { return std::stoll(arguments.at(i)); }

  // Fills a zero array through the layout's view and returns the whole of it.
  Array filled(DType of, const std::function<void(Array&)>& fill) const {
    Array whole = Array::zeros(shape, of);
    Array view = layout == "transposed" ? whole.transpose(0, -1)
                 : layout == "strided"  ? whole.slice(-1, {.start = {}, .stop = {}, .step = 3})
                                        : whole;
    fill(view);
    return whole;
  }

  std::string operation;
  DType dtype = kFloat32;
  Shape shape;
  std::string layout;
  std::uint64_t seed = 0;
  std::vector<std::string> arguments;
  std::string values_digest;
  std::string state_digest;
};

// Element i of the probabilities that make.py uses.
Array chances(const Shape& shape, DType dtype) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < shape.numel(); ++i) values.push_back(static_cast<float>(i * 7 % 11) / 11.0F);
  return Array::from(values, shape).cast(dtype);
}

Array mixture(Generator& generator) {
  Array whole = Array::empty({31});
  const auto part = [&](std::int64_t start, std::int64_t count) { return whole.narrow(0, start, count); };
  Array first = part(0, 3);
  kernels::normal(first, 0, 1, generator);
  Array second = part(3, 20);
  kernels::normal(second, 0, 1, generator);
  Array doubles = Array::empty({2}, kFloat64);
  kernels::normal(doubles, 0, 1, generator);
  part(23, 2).copy_from(doubles);
  Array fourth = part(25, 5);
  kernels::uniform(fourth, 0, 1, generator);
  Array last = part(30, 1);
  kernels::normal(last, 0, 1, generator);
  return whole;
}

Array draw(const Case& c, Generator& g) {
  const auto fill = [&](const std::function<void(Array&)>& body) { return c.filled(c.dtype, body); };
  if (c.operation == "uniform") {
    return fill([&](Array& x) { kernels::uniform(x, c.number(0), c.number(1), g); });
  }
  if (c.operation == "normal") {
    return fill([&](Array& x) { kernels::normal(x, c.number(0), c.number(1), g); });
  }
  if (c.operation == "exponential") {
    return fill([&](Array& x) { kernels::exponential(x, c.number(0), g); });
  }
  if (c.operation == "trunc_normal") {
    return fill(
        [&](Array& x) { kernels::trunc_normal(x, c.number(0), c.number(1), c.number(2), c.number(3), g); });
  }
  if (c.operation == "bernoulli") return fill([&](Array& x) { kernels::bernoulli(x, c.number(0), g); });
  if (c.operation == "randint") {
    return fill([&](Array& x) { kernels::randint(x, c.integer(0), c.integer(1), g); });
  }
  if (c.operation == "randperm") return kernels::randperm(c.shape.numel(), g);
  if (c.operation == "bernoulli_of") {
    const Array p = chances(c.shape, c.dtype);
    return c.filled(kFloat32, [&](Array& x) {
      kernels::bernoulli(x, c.layout == "transposed" ? p.transpose(0, 1) : p, g);
    });
  }
  if (c.operation == "multinomial") {
    return kernels::multinomial(chances(c.shape, c.dtype), c.integer(0), c.integer(1) != 0, g);
  }
  if (c.operation == "mixture") return mixture(g);
  throw std::runtime_error("unknown operation " + c.operation);
}

TEST(Random, DrawsWhatPyTorchDraws) {
  std::set<std::string> operations;
  for (const std::string& line : test::golden_lines("random/cases.txt")) {
    const Case c(line);
    Generator generator(c.seed);
    EXPECT_EQ(sha256_of(draw(c, generator)), c.values_digest) << line;
    EXPECT_EQ(sha256_of(generator.state()), c.state_digest) << line;
    operations.insert(c.operation);
  }
  EXPECT_EQ(operations.size(), 10U);
}

// The same bytes on PyTorch 1.13.1, 2.6.0 and 2.14.1.
TEST(Random, Fixtures) {
  const auto normal = [](const Shape& shape, DType dtype = kFloat32) {
    Generator generator(0);
    Array out = Array::empty(shape, dtype);
    kernels::normal(out, 0, 1, generator);
    return out;
  };
  const auto uniform = [](const Shape& shape, double low, double high, DType dtype = kFloat32) {
    Generator generator(0);
    Array out = Array::empty(shape, dtype);
    kernels::uniform(out, low, high, generator);
    return out;
  };
  using Floats = std::vector<float>;
  EXPECT_EQ(uniform({4}, 0, 1).to_vector<float>(),
            (Floats{0x1.fc2abp-2F, 0x1.89545ep-1F, 0x1.6a675p-4F, 0x1.0e66p-3F}));
  EXPECT_EQ(uniform({2}, 0, 1, kFloat64).to_vector<double>(),
            (std::vector<double>{0x1.f0aac97c4aa2fp-1, 0x1.6a675d821ccc0p-1}));
  EXPECT_EQ(uniform({4}, -.2, .2).to_vector<float>(),
            (Floats{-0x1.888666p-10F, 0x1.b77460p-4F, -0x1.511e8ap-3F, -0x1.2d70cep-3F}));
  EXPECT_EQ(normal({4}).to_vector<float>(),
            (Floats{0x1.8a7eb8p+0F, -0x1.2c78a0p-2F, -0x1.16e292p+1F, 0x1.23096cp-1F}));
  EXPECT_EQ(normal({16}).narrow(0, 0, 4).to_vector<float>(),
            (Floats{-0x1.20370ap+0F, -0x1.270114p+0F, -0x1.0097acp-2F, -0x1.bc4abap-2F}));
  EXPECT_EQ(normal({20}).narrow(0, 16, 4).to_vector<float>(),
            (Floats{0x1.dd1860p-1F, 0x1.424e6ep+0F, 0x1.00a334p+1F, 0x1.b83674p-5F}));
  EXPECT_EQ(sha256_of(normal({20})), "77d3233a84c93b6e3d8eb9cf08210a4f29eecd3862e1060f571f048573a473b3");
  EXPECT_EQ(sha256_of(normal({100000})), "0185aae2d6c33b3965361a017caa7b5af402f472c7d56c1e0df1ed2d9832e585");
  EXPECT_EQ(sha256_of(uniform({100000}, 0, 1)),
            "f97f7afccd7e5a7d6b3e96cec95b53de04e302a0b71aecc6652434c1c42a52e1");
  EXPECT_EQ(sha256_of(uniform({100000}, -.1, .1)),
            "5cc5e46598847b8e9c62706ac78e41842af607e64327f1dfbb91e563a373b33f");
  EXPECT_EQ(sha256_of(normal({1000}, kFloat64)),
            "e9aadb4005f415af8aa4f3e6765d56a323c490c3895a6b79e8370a2e156375c7");
}

TEST(Random, IntegerFixtures) {
  using Integers = std::vector<std::int64_t>;
  Generator generator(0);
  EXPECT_EQ(kernels::randperm(10, generator).to_vector<std::int64_t>(),
            (Integers{4, 1, 7, 5, 3, 9, 0, 8, 6, 2}));
  generator.manual_seed(0);
  EXPECT_EQ(sha256_of(kernels::randperm(60000, generator)),
            "4c226c41bdd65c9e11fe47eba8358cefb5c375b9699b1c912586a2125168af52");
  generator.manual_seed(0);
  Array digits = Array::empty({10}, kInt64);
  kernels::randint(digits, 0, 10, generator);
  EXPECT_EQ(digits.to_vector<std::int64_t>(), (Integers{4, 9, 3, 0, 3, 9, 7, 3, 7, 3}));
  generator.manual_seed(0);
  Array wide = Array::empty({2}, kInt64);
  kernels::randint(wide, 0, std::int64_t{1} << 40, generator);
  EXPECT_EQ(wide.to_vector<std::int64_t>(), (Integers{741280623151, 506137267392}));
  generator.manual_seed(0);
  Array coins = Array::empty({20});
  kernels::bernoulli(coins, .3, generator);
  EXPECT_EQ(coins.to_vector<std::int64_t>(),
            (Integers{0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0}));
  generator.manual_seed(0);
  Array waits = Array::empty({4});
  kernels::exponential(waits, 1, generator);
  EXPECT_EQ(waits.to_vector<float>(),
            (std::vector<float>{0x1.c110d6p+1F, 0x1.3afa7ep+0F, 0x1.3ae710p-1F, 0x1.447ec4p+1F}));
  generator.manual_seed(0);
  EXPECT_EQ(generator.r63(), 900450186894289455);
  const Array weights = Array::from({.1F, .2F, .3F, .4F}, {4});
  generator.manual_seed(0);
  EXPECT_EQ(kernels::multinomial(weights, 3, false, generator).to_vector<std::int64_t>(),
            (Integers{2, 1, 3}));
  generator.manual_seed(0);
  EXPECT_EQ(kernels::multinomial(weights, 8, true, generator).to_vector<std::int64_t>(),
            (Integers{3, 3, 2, 3, 3, 3, 1, 2}));
}

TEST(Random, PermutationTakesOneDrawAnElementButTheLast) {
  Generator generator(0);
  Generator counter(0);
  const Array order = kernels::randperm(5, generator);
  for (int i = 0; i < 4; ++i) counter.r32();
  EXPECT_EQ(generator.r32(), counter.r32());
  std::vector<std::int64_t> sorted = order.to_vector<std::int64_t>();
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
}

TEST(Random, SharedMemoryIsRefused) {
  Generator generator(0);
  Array expanded = Array::zeros({1, 3}).expand({2, 3});
  EXPECT_ERROR(kernels::uniform(expanded, 0, 1, generator), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::normal(expanded, 0, 1, generator), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::bernoulli(expanded, .5, generator), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::bernoulli(expanded, Array::ones({3}), generator), ErrorCode::kInvalidArgument);
}

TEST(Random, EmptyArraysDrawNothing) {
  Generator generator(5);
  Array empty = Array::empty({0, 3});
  kernels::uniform(empty, 0, 1, generator);
  kernels::normal(empty, 0, 1, generator);
  kernels::exponential(empty, 1, generator);
  kernels::trunc_normal(empty, 0, 1, -1, 1, generator);
  kernels::trunc_normal(empty, 0, 1, 2, 3, generator);
  kernels::randint(empty, 0, 5, generator);
  kernels::bernoulli(empty, .5, generator);
  EXPECT_TRUE(generator.state().same_bits(Generator(5).state()));
}

TEST(Random, InvalidArguments) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Generator g(0);
  Array x = Array::empty({4});
  Array half = Array::empty({4}, kFloat16);
  Array integers = Array::empty({4}, kInt64);
  Array bytes = Array::empty({4}, kUInt8);
  Array complexes = Array::empty({4}, kComplex64);
  EXPECT_ERROR(kernels::uniform(x, 1, 0, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::uniform(x, 0, nan, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::uniform(x, nan, 1, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::uniform(x, 0, 1e39, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::uniform(x, -3e38, 3e38, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::uniform(half, 0, 70000, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::uniform(integers, 0, 1, g), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(kernels::normal(x, 0, -1, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::normal(x, 0, nan, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::normal(integers, 0, 1, g), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(kernels::exponential(x, 0, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::exponential(integers, 1, g), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(kernels::trunc_normal(x, 0, 0, -1, 1, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::trunc_normal(x, 0, 1, 1, -1, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::trunc_normal(half, 0, 1, -1, 1, g), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(kernels::randint(integers, 5, 5, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::randint(bytes, 0, 257, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::randint(bytes, -1, 5, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::randint(x, 0, (1 << 24) + 2, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::randint(complexes, 0, 1, g), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(kernels::randperm(-1, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::bernoulli(x, 1.5, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::bernoulli(x, nan, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::bernoulli(complexes, .5, g), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(kernels::bernoulli(x, integers, g), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(kernels::bernoulli(x, Array::ones({3}), g), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(kernels::bernoulli(x, Array::full({4}, -.1), g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::multinomial(Array::ones({2, 2}), 1, true, g), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(kernels::multinomial(Array::ones({2}, kInt64), 1, true, g), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(kernels::multinomial(Array::ones({2}), 3, false, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::multinomial(Array::ones({2}), 0, true, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::multinomial(Array::zeros({2}), 1, true, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::multinomial(Array::full({2}, -1), 1, true, g), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(kernels::multinomial(Array::full({2}, nan), 1, true, g), ErrorCode::kInvalidArgument);
  // Nothing was drawn on the way to an error.
  EXPECT_TRUE(g.state().same_bits(Generator(0).state()));
}

}  // namespace
}  // namespace sconce
