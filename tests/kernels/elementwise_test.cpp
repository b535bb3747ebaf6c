#include "sconce/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sconce/kernels/reduce.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::Random;

// Loops over views of any layout and broadcast operands must give what dense operands of full size give.
TEST(Elementwise, LayoutDoesNotMatter) {
  const test::PoisonScope poison;
  Random random(1);
  const std::pair<Shape, Shape> shapes[] = {
      {{3, 4}, {3, 4}}, {{2, 1, 5}, {3, 1}}, {{}, {4, 2}}, {{1}, {2, 3, 4}}, {{4, 1, 3, 1}, {2, 1, 6}}};
  for (const DType dtype : {kFloat32, kFloat64, kInt64, kUInt8}) {
    for (const auto& pair : shapes) {
      const Array a = random.digits(pair.first, dtype);
      const Array b = random.digits(pair.second, dtype);
      const Shape shape = broadcast_shapes(a.shape(), b.shape(), "test");
      const Array expected = kernels::sub(a.expand(shape).clone(), b.expand(shape).clone());
      EXPECT_TRUE(kernels::sub(a, b).same_bits(expected));
      EXPECT_TRUE(kernels::sub(random.scattered(a), random.scattered(b)).same_bits(expected));
      const auto p = a.expand(shape).to_vector<double>();
      const auto q = b.expand(shape).to_vector<double>();
      const auto found = expected.to_vector<double>();
      for (std::size_t i = 0; i < p.size(); ++i) {
        EXPECT_EQ(found[i], dtype == kUInt8
                                ? static_cast<double>(static_cast<std::uint8_t>(p[i] - q[i] + 256))
                                : p[i] - q[i]);
      }
    }
  }
}

TEST(Elementwise, ThreadsDoNotChangeBits) {
  Random random(2);
  const Array a = random.normal({300, 1001});
  const Array b = random.scattered(random.normal({1001}));
  const test::ThreadsScope one(1);
  const Array alone = kernels::mul(a, b);
  const test::ThreadsScope several(3);
  EXPECT_TRUE(kernels::mul(a, b).same_bits(alone));
}

TEST(Elementwise, ScaledSumRoundsOnce) {
  const float a = 1.0F;
  const float b = 1.0F + 0x1p-23F;
  const double alpha = -1.0 + 0x1p-23;
  const Array found = kernels::add_scaled(Array::scalar(a), Array::scalar(b), alpha);
  EXPECT_EQ(found.item<float>(), std::fma(static_cast<float>(alpha), b, a));
  EXPECT_NE(found.item<float>(), a + static_cast<float>(alpha) * b);
}

TEST(Elementwise, UpdatesWriteThroughViews) {
  Array whole = Array::zeros({3, 4});
  Array column = whole.select(1, 2);
  kernels::add_into(column, Array::ones({}));
  kernels::mul_into(column, Array::from<float>({1, 2, 3}, {3}));
  kernels::add_scaled_into(column, Array::ones({3}), 10);
  kernels::div_into(column, Array::full({1}, 2));
  EXPECT_EQ(column.to_vector<double>(), (std::vector<double>{5.5, 6, 6.5}));
  EXPECT_EQ(kernels::sum(whole, {}, false).item<double>(), 18);
  EXPECT_EQ(test::code_of([&] {
              kernels::add_into(column, Array::ones({2, 3}));
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(test::code_of([&] { kernels::add_into(column, Array::ones({3}, kFloat64)); }),
            ErrorCode::kDTypeMismatch);
}

TEST(Elementwise, AnUpdateMayReadItsOwnMemory) {
  Array x = Array::from<float>({1, 2, 3, 4}, {4});
  Array head = x.narrow(0, 0, 3);
  kernels::add_into(head, x.narrow(0, 1, 3));
  EXPECT_EQ(x.to_vector<double>(), (std::vector<double>{3, 5, 7, 4}));
  kernels::add_into(x, x);
  EXPECT_EQ(x.to_vector<double>(), (std::vector<double>{6, 10, 14, 8}));
}

TEST(Elementwise, HalfTypesRoundTheFloatResult) {
  const Array a = Array::full({2}, 1.0009765625, kFloat16);
  EXPECT_EQ(kernels::mul(a, a).to_vector<double>(),
            Array::full({2}, 1.00195312, kFloat16).to_vector<double>());
  EXPECT_TRUE(kernels::has_nan(kernels::log(Array::full({1}, -1, kBFloat16))));
}

TEST(Reduce, FastSumsAgreeWithTheReference) {
  Random random(3);
  for (int i = 0; i < 60; ++i) {
    Shape shape;
    Dims dims;
    const std::int64_t rank = random.integer(0, 4);
    for (std::int64_t d = 0; d < rank; ++d) {
      shape.push_back(random.integer(1, 9));
      if (random.integer(0, 1) == 1) dims.push_back(d);
    }
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Array x = random.normal(shape, dtype);
      const Array expected = kernels::reference::sum(x, dims, true);
      const double tolerance = dtype == kFloat32 ? 1e-5 : 1e-13;
      EXPECT_LE(test::relative_difference(kernels::sum(x, dims, true), expected), tolerance);
      EXPECT_LE(test::relative_difference(kernels::sum(random.scattered(x), dims, true), expected),
                tolerance);
    }
  }
}

TEST(Reduce, SumsOfBroadcastArrays) {
  const Array x = Array::from<float>({1, 2, 3}, {3}).expand({4, 3});
  EXPECT_EQ(kernels::sum(x, {0}, false).to_vector<double>(), (std::vector<double>{4, 8, 12}));
  EXPECT_EQ(kernels::sum(x, {1}, false).to_vector<double>(), (std::vector<double>{6, 6, 6, 6}));
  EXPECT_EQ(kernels::sum(x, {}, false).item<double>(), 24);
}

}  // namespace
}  // namespace sconce
