#include "sconce/kernels/matmul.h"

#include <gtest/gtest.h>

#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::Random;

// Every layout a view can bring, against the plain triple loop.
TEST(Matmul, AgreesWithTheReferenceForAnyLayout) {
  const test::PoisonScope poison;
  Random random(1);
  for (const DType dtype : {kFloat32, kFloat64}) {
    const double tolerance = dtype == kFloat32 ? 1e-6 : 1e-15;
    for (int i = 0; i < 40; ++i) {
      const std::int64_t n = random.integer(1, i < 30 ? 9 : 150);
      const std::int64_t k = random.integer(1, i < 30 ? 9 : 300);
      const std::int64_t m = random.integer(1, i < 30 ? 9 : 700);
      const Array a = random.normal({n, k}, dtype);
      const Array b = random.normal({k, m}, dtype);
      const Array expected = kernels::reference::matmul(a, b);
      const Array a_t = a.transpose(0, 1).contiguous().transpose(0, 1);
      const Array b_t = b.transpose(0, 1).contiguous().transpose(0, 1);
      for (const Array& left : {a, a_t, random.scattered(a)}) {
        for (const Array& right : {b, b_t, random.scattered(b)}) {
          EXPECT_LE(test::relative_difference(kernels::matmul(left, right), expected), tolerance);
        }
      }
      const test::BackendScope reference(kernels::Backend::kReference);
      EXPECT_LE(test::relative_difference(kernels::matmul(a, b_t), expected), tolerance);
    }
  }
}

TEST(Matmul, BroadcastOperandsHaveStrideZero) {
  Random random(2);
  const Array row = random.normal({1, 4});
  const Array b = random.normal({4, 3});
  const Array expanded = row.expand({5, 4});
  EXPECT_LE(test::relative_difference(kernels::matmul(expanded, b), kernels::reference::matmul(expanded, b)),
            1e-6);
  const Array column = random.normal({4, 1}).expand({4, 6});
  EXPECT_LE(test::relative_difference(kernels::matmul(row, column), kernels::reference::matmul(row, column)),
            1e-6);
}

TEST(Matmul, AddsToItsTarget) {
  Random random(3);
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Array a = random.normal({4, 5}, dtype);
    const Array b = random.normal({5, 6}, dtype);
    Array target = Array::zeros({4, 6}, dtype);
    kernels::matmul_into(target, a, b);
    EXPECT_TRUE(target.same_bits(kernels::matmul(a, b)));
    kernels::matmul_into(target, a, b);
    Array twice = kernels::reference::matmul(a, b);
    twice = kernels::reference::matmul(Array::full({1, 1}, 2, dtype), twice.view({1, 24})).view({4, 6});
    EXPECT_LE(test::relative_difference(target, twice), 1e-6);
    Array wrong = Array::zeros({6, 4}, dtype);
    EXPECT_EQ(test::code_of([&] { kernels::matmul_into(wrong, a, b); }), ErrorCode::kShapeMismatch);
  }
}

TEST(Matmul, BatchesAgreeWithSingleProducts) {
  Random random(4);
  const Array a = random.normal({3, 4, 5});
  const Array b = random.normal({3, 6, 5}).transpose(1, 2);
  const Array found = kernels::batched_matmul(a, b);
  for (int i = 0; i < 3; ++i) {
    EXPECT_LE(test::relative_difference(found.select(0, i),
                                        kernels::reference::matmul(a.select(0, i), b.select(0, i))),
              1e-6);
  }
  EXPECT_EQ(test::code_of([&] { kernels::batched_matmul(a, a); }), ErrorCode::kShapeMismatch);
}

TEST(Matmul, HalfTypesComputeInFloat) {
  Random random(5);
  const Array a = random.normal({3, 4}, kBFloat16);
  const Array b = random.normal({4, 2}, kBFloat16);
  const Array expected = kernels::reference::matmul(a.cast(kFloat32), b.cast(kFloat32)).cast(kBFloat16);
  EXPECT_LE(test::relative_difference(kernels::matmul(a, b), expected), 0.01);
}

}  // namespace
}  // namespace sconce
