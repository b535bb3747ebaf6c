#include "sconce/toolbox/tensor_difference.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <complex>
#include <limits>
#include <random>

#include "base/error_matcher.h"
#include "sconce/base/parallel.h"

namespace sconce::toolbox {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

template <class T>
TensorDifference between(std::initializer_list<T> a, std::initializer_list<T> b,
                         std::optional<Tolerance> tolerance = std::nullopt) {
  const Shape shape{static_cast<std::int64_t>(a.size())};
  return tensor_difference(Array::from(a, shape), Array::from(b, shape), tolerance);
}

TEST(TensorDifference, NumbersOfTwoVectors) {
  const auto found = between<double>({1, 2, 3, 4}, {1, 2.5, 3, 2});
  EXPECT_EQ(found.count, 4);
  EXPECT_EQ(found.different, 2);
  EXPECT_EQ(found.beyond, 2);
  EXPECT_EQ(found.non_finite, 0);
  EXPECT_DOUBLE_EQ(found.max_absolute, 2);
  EXPECT_DOUBLE_EQ(found.mean_absolute, 2.5 / 4);
  EXPECT_DOUBLE_EQ(found.max_relative, 0.5);
  EXPECT_EQ(found.worst, 3);
  ASSERT_TRUE(found.cosine.has_value());
  EXPECT_DOUBLE_EQ(*found.cosine, (1 + 5 + 9 + 8) / std::sqrt(30.0 * 20.25));
  EXPECT_FALSE(found.is_equal());
}

TEST(TensorDifference, EqualTensors) {
  const auto found = between<float>({1, -2, 0}, {1, -2, 0});
  EXPECT_TRUE(found.is_equal());
  EXPECT_TRUE(found.is_near());
  EXPECT_EQ(found.max_absolute, 0);
  EXPECT_EQ(found.max_ulp, 0U);
  EXPECT_DOUBLE_EQ(*found.cosine, 1);
  EXPECT_FALSE(between<float>({0, 0}, {1, 1}).cosine.has_value());
  EXPECT_FALSE(tensor_difference(Array::zeros({0}), Array::zeros({0})).cosine.has_value());
}

TEST(TensorDifference, BitsDecideWithoutToleranceAndNumbersWithOne) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float other_nan = std::bit_cast<float>(std::bit_cast<std::uint32_t>(nan) | 1);
  EXPECT_TRUE(between<float>({nan}, {nan}).is_equal());
  const auto payloads = between<float>({nan}, {other_nan});
  EXPECT_EQ(payloads.different, 1);
  EXPECT_EQ(payloads.non_finite, 1);
  EXPECT_FALSE(payloads.is_near());
  EXPECT_TRUE(between<float>({nan}, {other_nan}, Tolerance{0, 0}).is_near());
  EXPECT_FALSE(between<float>({nan}, {1.0F}, Tolerance{1, 1e30}).is_near());

  const auto zeros = between<float>({0.0F}, {-0.0F});
  EXPECT_EQ(zeros.different, 1);
  EXPECT_EQ(zeros.max_ulp, 0U);
  EXPECT_EQ(zeros.max_absolute, 0);
  EXPECT_FALSE(zeros.is_near());
  EXPECT_TRUE(between<float>({0.0F}, {-0.0F}, Tolerance{0, 0}).is_near());
}

TEST(TensorDifference, InfinitiesAreNearOnlyToThemselves) {
  EXPECT_TRUE(between<double>({kInf}, {kInf}).is_equal());
  const auto found = between<double>({kInf, 1}, {-kInf, 1}, Tolerance{1, kInf});
  EXPECT_EQ(found.beyond, 1);
  EXPECT_EQ(found.non_finite, 1);
  EXPECT_EQ(found.max_absolute, 0);  // of finite pairs
  EXPECT_FALSE(between<double>({kInf}, {1e308}, Tolerance{10, 1e308}).is_near());
}

TEST(TensorDifference, ToleranceIsThatOfAllclose) {
  EXPECT_TRUE(between<double>({1.25}, {1}, Tolerance{0, 0.25}).is_near());
  EXPECT_FALSE(between<double>({1.25}, {1}, Tolerance{0, 0.2499}).is_near());
  // Relative to B.
  EXPECT_TRUE(between<double>({1}, {2}, Tolerance{0.5, 0}).is_near());
  EXPECT_FALSE(between<double>({2}, {1}, Tolerance{0.5, 0}).is_near());
  const auto found = between<double>({1, 5}, {1.5, 1}, Tolerance{0, 1});
  EXPECT_EQ(found.different, 2);
  EXPECT_EQ(found.beyond, 1);
}

template <class T>
std::uint64_t ulp(T a, T b) {
  return *tensor_difference(Array::scalar(a), Array::scalar(b)).max_ulp;
}

TEST(TensorDifference, UlpCountsRepresentableValues) {
  EXPECT_EQ(ulp(1.0F, std::nextafter(1.0F, 2.0F)), 1U);
  EXPECT_EQ(ulp(1.0, std::nextafter(std::nextafter(1.0, 0.0), 0.0)), 2U);
  const float tiny = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(ulp(tiny, -tiny), 2U);  // by way of zero, which is one value
  EXPECT_EQ(ulp(0.0F, tiny), 1U);
  EXPECT_EQ(ulp(-0.0F, tiny), 1U);
  EXPECT_EQ(ulp(std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max()),
            2 * (std::uint64_t{0x7FEFFFFFFFFFFFFF}));
  EXPECT_EQ(ulp(1.0F, 2.0F), std::uint64_t{1} << 23);
}

// Walking from one value to the next one must count one, in every narrow format, over all of its values.
template <class T>
void expect_neighbours_are_one_apart() {
  using Bits = decltype(T{}.bits);
  const int count = 1 << (8 * sizeof(Bits));
  const auto value = [](int bits) {
    T out;
    out.bits = static_cast<Bits>(bits);
    return out;
  };
  std::vector<std::pair<float, int>> sorted;
  for (int bits = 0; bits < count; ++bits) {
    const auto number = static_cast<float>(value(bits));
    if (std::isfinite(number)) sorted.emplace_back(number, bits);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](auto& x, auto& y) { return x.first < y.first; });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const bool is_zero_twice = sorted[i].first == sorted[i - 1].first;
    ASSERT_EQ(ulp(value(sorted[i - 1].second), value(sorted[i].second)), is_zero_twice ? 0U : 1U)
        << sorted[i].first;
  }
  EXPECT_GT(sorted.size(), 200U);
}

TEST(TensorDifference, UlpOfNarrowFloats) {
  expect_neighbours_are_one_apart<Float16>();
  expect_neighbours_are_one_apart<BFloat16>();
  expect_neighbours_are_one_apart<Float8E4M3FN>();
  expect_neighbours_are_one_apart<Float8E5M2>();
  expect_neighbours_are_one_apart<Float8E4M3FNUZ>();
  expect_neighbours_are_one_apart<Float8E5M2FNUZ>();
  expect_neighbours_are_one_apart<Float8E8M0FNU>();
}

TEST(TensorDifference, IntegersAreExact) {
  constexpr std::int64_t kBig = std::int64_t{1} << 53;
  const auto found = between<std::int64_t>({kBig + 1, std::numeric_limits<std::int64_t>::min()},
                                           {kBig, std::numeric_limits<std::int64_t>::max()});
  EXPECT_EQ(found.different, 2);
  EXPECT_DOUBLE_EQ(found.max_absolute, 18446744073709551615.0);
  EXPECT_FALSE(found.max_ulp.has_value());
  EXPECT_DOUBLE_EQ(between<std::int64_t>({kBig + 1}, {kBig}).max_absolute, 1);
  EXPECT_DOUBLE_EQ(between<std::uint8_t>({0}, {255}).max_absolute, 255);
  EXPECT_DOUBLE_EQ(between<bool>({true, false}, {false, false}).max_absolute, 1);
}

TEST(TensorDifference, ComplexByMagnitude) {
  using C = std::complex<float>;
  const auto found = between<C>({C(1, 2), C(0, 1)}, {C(4, 6), C(0, 1)});
  EXPECT_EQ(found.different, 1);
  EXPECT_DOUBLE_EQ(found.max_absolute, 5);
  EXPECT_DOUBLE_EQ(found.max_relative, 5 / std::sqrt(52.0));
  EXPECT_EQ(*found.max_ulp, ulp(1.0F, 4.0F));
  EXPECT_DOUBLE_EQ(*found.cosine, (4 + 12 + 1) / std::sqrt(6.0 * 53));
  Complex32 half;
  half.real = Float16(1.0F);
  half.imag = Float16(std::numeric_limits<float>::quiet_NaN());
  Complex32 other = half;
  other.real = Float16(2.0F);
  const auto bits = [](const Complex32& z) {
    return Array::from_bytes(std::as_bytes(std::span(&z, 1)), kComplex32, {1});
  };
  EXPECT_EQ(tensor_difference(bits(half), bits(other)).non_finite, 1);
}

TEST(TensorDifference, QuantizedByIntegersPackedByBytes) {
  const std::array<std::byte, 2> a{std::byte{250}, std::byte{1}};
  const std::array<std::byte, 2> b{std::byte{5}, std::byte{1}};
  const auto of = [&](DType dtype) {
    return tensor_difference(Array::from_bytes(a, dtype, {2}), Array::from_bytes(b, dtype, {2}));
  };
  EXPECT_DOUBLE_EQ(of(kQUInt8).max_absolute, 245);
  EXPECT_DOUBLE_EQ(of(kQInt8).max_absolute, 11);
  EXPECT_FALSE(of(kQUInt8).max_ulp.has_value());
  for (const DType dtype : {kQUInt4x2, kBits8, kFloat4E2M1FNx2}) {
    EXPECT_FALSE(of(dtype).has_numbers);
    EXPECT_EQ(of(dtype).different, 1);
  }
  const std::array<std::byte, 6> c{};
  const std::array<std::byte, 6> d{std::byte{0}, std::byte{0}, std::byte{0},
                                   std::byte{0}, std::byte{0}, std::byte{1}};
  const auto groups = tensor_difference(Array::from_bytes(c, kFloat6E2M3FNx4, {2}),
                                        Array::from_bytes(d, kFloat6E2M3FNx4, {2}));
  EXPECT_FALSE(groups.has_numbers);
  EXPECT_EQ(groups.different, 1);
}

TEST(TensorDifference, UnlikeDtypesMeetAsNumbers) {
  const Array a = Array::from<float>({1, 2.5F, 0.1F}, {3});
  const auto found = tensor_difference(a, a.cast(kFloat16));
  EXPECT_EQ(found.different, 1);
  EXPECT_FALSE(found.max_ulp.has_value());
  EXPECT_NEAR(found.max_absolute, std::fabs(0.1F - static_cast<float>(Float16(0.1F))), 1e-12);
  EXPECT_TRUE(tensor_difference(Array::from<std::int32_t>({1, -2}, {2}), Array::from<double>({1, -2}, {2}))
                  .is_equal());
  constexpr std::int64_t kBig = (std::int64_t{1} << 53) + 1;
  EXPECT_TRUE(
      tensor_difference(Array::from<std::int64_t>({kBig}, {1}), Array::from<std::int64_t>({kBig}, {1}))
          .is_equal());
  EXPECT_TRUE(is_comparable(kInt8, kFloat32));
  EXPECT_FALSE(is_comparable(kQInt8, kInt8));
  EXPECT_FALSE(is_comparable(kBits8, kUInt8));
  EXPECT_ERROR(tensor_difference(Array::zeros({1}, kQInt8), Array::zeros({1}, kInt8)),
               ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(tensor_difference(Array::zeros({2}), Array::zeros({1, 2})), ErrorCode::kShapeMismatch);
}

TEST(TensorDifference, ViewsAreReadThroughTheirStrides) {
  const Array a = Array::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  const auto found = tensor_difference(a.transpose(0, 1), Array::from<float>({1, 4, 2, 5, 3, 7}, {3, 2}));
  EXPECT_EQ(found.different, 1);
  EXPECT_EQ(found.worst, 5);
}

TEST(TensorDifferenceThreads, ResultsDoNotDependOnThreads) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> a(500'000);
  std::vector<float> b(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = normal(random);
    b[i] = random() % 4 == 0 ? normal(random) : a[i];
  }
  const Array x = Array::from(a, {500'000});
  const Array y = Array::from(b, {500'000});
  const int threads = num_threads();
  set_num_threads(1);
  const auto one = tensor_difference(x, y);
  set_num_threads(4);
  const auto four = tensor_difference(x, y);
  set_num_threads(threads);
  EXPECT_EQ(one.different, four.different);
  EXPECT_EQ(one.worst, four.worst);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(*one.cosine), std::bit_cast<std::uint64_t>(*four.cosine));
  EXPECT_EQ(std::bit_cast<std::uint64_t>(one.mean_absolute),
            std::bit_cast<std::uint64_t>(four.mean_absolute));
}

}  // namespace
}  // namespace sconce::toolbox
