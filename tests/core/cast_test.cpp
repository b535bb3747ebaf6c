// Against PyTorch: tests/golden/core/make.py.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>

#include "base/error_matcher.h"
#include "sconce/core/array.h"
#include "support/text_data.h"

namespace sconce {
namespace {

Array array_from_hex(DType dtype, const std::string& hex) {
  const std::vector<std::byte> bytes = test::bytes_from_hex(hex);
  return Array::from_bytes(bytes, dtype, Shape{static_cast<std::int64_t>(bytes.size() / itemsize(dtype))});
}

// Equal bits, or both NaN: which NaN a conversion gives is nobody's contract.
bool same_values(const Array& a, const Array& b) {
  if (a.same_bits(b)) return true;
  if (!is_floating(a.dtype()) && !is_complex(a.dtype())) return false;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const Array x = a.select(0, i);
    const Array y = b.select(0, i);
    if (x.same_bits(y)) continue;
    const auto p = x.item<std::complex<double>>();
    const auto q = y.item<std::complex<double>>();
    const auto agree = [](double s, double t) { return s == t || (std::isnan(s) && std::isnan(t)); };
    if (!agree(p.real(), q.real()) || !agree(p.imag(), q.imag())) return false;
  }
  return true;
}

TEST(Cast, MatrixMatchesPyTorch) {
  std::size_t pairs = 0;
  for (const std::string& line : test::golden_lines("core/casts.txt")) {
    const std::vector<std::string> words = test::words_of(line);
    const DType from = dtype_from_name(words.at(0)).value();
    const DType to = dtype_from_name(words.at(1)).value();
    const Array source = array_from_hex(from, words.at(2));
    const Array expected = array_from_hex(to, words.at(3));
    EXPECT_TRUE(same_values(source.cast(to), expected))
        << words[0] << " to " << words[1] << "\nof   " << source << "\ngave " << source.cast(to) << "\nnot  "
        << expected;
    ++pairs;
  }
  EXPECT_EQ(pairs, 17U * 16U);
}

TEST(Cast, SameDTypeKeepsTheStorage) {
  const Array x = Array::ones({2});
  EXPECT_EQ(x.cast(kFloat32).storage().id(), x.storage().id());
  EXPECT_NE(x.cast(kFloat64).storage().id(), x.storage().id());
}

TEST(Cast, OutOfRangeNumbersAreDefined) {
  const double inf = std::numeric_limits<double>::infinity();
  const Array x = Array::from({inf, -inf, std::numeric_limits<double>::quiet_NaN(), 1e300}, {4});
  const std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(x.cast(kInt64).to_vector<std::int64_t>(), (std::vector<std::int64_t>(4, lowest)));
  EXPECT_EQ(Array::from({1.8446744073709550e19}, {1}).cast(kUInt64).item<std::uint64_t>(),
            18446744073709549568U);
}

TEST(Cast, WholeNumbersStayExact) {
  const std::int64_t large = (std::int64_t{1} << 53) + 1;
  EXPECT_EQ(Array::from({large}, {1}).cast(kUInt64).item<std::uint64_t>(), static_cast<std::uint64_t>(large));
  // Rounded once: by way of double it would become 2^54 and then a tie.
  const std::int64_t tie = (std::int64_t{1} << 54) + (std::int64_t{1} << 30) + 1;
  EXPECT_EQ(Array::from({tie}, {1}).cast(kFloat32).item<float>(), static_cast<float>(tie));
}

TEST(Cast, StridedAndBroadcastSources) {
  const Array x = Array::from<std::int32_t>({1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(x.transpose(0, 1).cast(kFloat32).to_vector<float>(), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  Array target = Array::zeros({2, 2, 3}, kFloat64);
  target.copy_from(x.narrow(0, 1, 1));
  EXPECT_EQ(target.to_vector<double>(), (std::vector<double>{4, 5, 6, 4, 5, 6, 4, 5, 6, 4, 5, 6}));
}

TEST(Cast, LargeArraysGoThroughSeveralBlocks) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(i - 500);
  const Array x = Array::from(values, {1000});
  EXPECT_EQ(x.cast(kInt16).to_vector<double>(), values);
}

TEST(Cast, QuantizedAndRawElementsHaveNoValue) {
  const Array bytes = Array::zeros({2}, kQInt8);
  EXPECT_ERROR(bytes.cast(kFloat32), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(Array::zeros({2}, kBits8).cast(kUInt8), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(Array::zeros({2}).cast(kQUInt8), ErrorCode::kDTypeMismatch);
  EXPECT_TRUE(bytes.clone().same_bits(bytes));
}

}  // namespace
}  // namespace sconce
