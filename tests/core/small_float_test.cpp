// Against PyTorch: tests/golden/core/make.py.
#include "sconce/core/small_float.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "sconce/codec/sha256.h"
#include "sconce/core/visit_dtype.h"
#include "support/text_data.h"

namespace sconce {
namespace {

template <class T>
std::vector<T> numbers_from_hex(const std::string& hex) {
  const std::vector<std::byte> bytes = test::bytes_from_hex(hex);
  std::vector<T> numbers(bytes.size() / sizeof(T));
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(T));
  return numbers;
}

// The bits of the value of a code, one NaN for all.
template <class Small>
std::uint32_t decoded(std::uint32_t code) {
  Small small;
  small.bits = static_cast<decltype(small.bits)>(code);
  const float value = static_cast<float>(small);
  return std::isnan(value) ? 0x7FC00000U : std::bit_cast<std::uint32_t>(value);
}

template <class Small>
void check_decoding(const std::string& name, const std::string& expected) {
  std::vector<std::uint32_t> values;
  for (std::uint32_t code = 0; code < std::uint32_t{1} << (8 * sizeof(Small)); ++code) {
    values.push_back(decoded<Small>(code));
  }
  if (sizeof(Small) == 1) {
    EXPECT_EQ(values, numbers_from_hex<std::uint32_t>(expected)) << name;
  } else {
    EXPECT_EQ(sha256_hex(std::as_bytes(std::span(values))), expected) << name;
  }
}

template <class Small>
void check_encoding(const std::string& name, const std::string& inputs, const std::string& outputs) {
  using Bits = decltype(Small::bits);
  const auto values = numbers_from_hex<float>(inputs);
  const auto codes = numbers_from_hex<Bits>(outputs);
  ASSERT_EQ(values.size(), codes.size());
  ASSERT_GT(values.size(), 600U);
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(int{Small(values[i]).bits}, int{codes[i]}) << name << " of " << values[i];
  }
}

TEST(SmallFloat, DecodesAndRoundsAsPyTorch) {
  std::size_t checked = 0;
  for (const std::string& line : test::golden_lines("core/small_floats.txt")) {
    const std::vector<std::string> words = test::words_of(line);
    visit_dtype(dtype_from_name(words.at(1)).value(), [&]<class T>(std::type_identity<T>) {
      if constexpr (requires(T t) { t.bits; }) {
        ++checked;
        if (words[0] == "decode")
          check_decoding<T>(words[1], words.at(2));
        else
          check_encoding<T>(words[1], words.at(2), words.at(3));
      }
    });
  }
  EXPECT_EQ(checked, 14U);
}

// Every code but the NaNs survives a trip through float.
template <class Small>
void check_round_trip() {
  for (std::uint32_t code = 0; code < std::uint32_t{1} << (8 * sizeof(Small)); ++code) {
    Small small;
    small.bits = static_cast<decltype(small.bits)>(code);
    const float value = static_cast<float>(small);
    if (!std::isnan(value)) {
      ASSERT_EQ(std::uint32_t{Small(value).bits}, code) << value;
    }
  }
}

TEST(SmallFloat, RoundTrip) {
  check_round_trip<Float16>();
  check_round_trip<BFloat16>();
  check_round_trip<Float8E4M3FN>();
  check_round_trip<Float8E5M2>();
  check_round_trip<Float8E4M3FNUZ>();
  check_round_trip<Float8E5M2FNUZ>();
  check_round_trip<Float8E8M0FNU>();
}

}  // namespace
}  // namespace sconce
