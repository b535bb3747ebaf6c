#include "sconce/base/big_int.h"

#include <algorithm>
#include <cmath>

namespace sconce {
namespace {

std::uint8_t u8(std::byte b) { return static_cast<std::uint8_t>(b); }

bool is_negative(std::span<const std::byte> value) {
  return !value.empty() && (u8(value.back()) & 0x80) != 0;
}

// -value, one byte longer so that the sign always fits.
std::vector<std::byte> negated(std::span<const std::byte> value) {
  std::vector<std::byte> out(value.begin(), value.end());
  out.push_back(is_negative(value) ? std::byte{0xFF} : std::byte{0});
  unsigned carry = 1;
  for (std::byte& b : out) {
    const unsigned sum = (u8(b) ^ 0xFFu) + carry;
    b = static_cast<std::byte>(sum & 0xFF);
    carry = sum >> 8;
  }
  return out;
}

std::vector<std::byte> shortest_copy(const std::vector<std::byte>& value) {
  const auto view = shortest_integer(value);
  return {view.begin(), view.end()};
}

}  // namespace

std::span<const std::byte> shortest_integer(std::span<const std::byte> value) {
  std::size_t n = value.size();
  while (n > 1) {
    const std::uint8_t top = u8(value[n - 1]);
    const bool next_negative = (u8(value[n - 2]) & 0x80) != 0;
    if (!((top == 0x00 && !next_negative) || (top == 0xFF && next_negative))) break;
    --n;
  }
  if (n == 1 && u8(value[0]) == 0) n = 0;
  return value.first(n);
}

std::optional<std::int64_t> integer_to_int64(std::span<const std::byte> value) {
  const auto bytes = shortest_integer(value);
  if (bytes.size() > 8) return std::nullopt;
  std::uint64_t out = is_negative(bytes) ? ~std::uint64_t{0} : 0;
  for (std::size_t i = bytes.size(); i-- > 0;) out = (out << 8) | u8(bytes[i]);
  return static_cast<std::int64_t>(out);
}

std::string integer_to_decimal(std::span<const std::byte> value) {
  const bool negative = is_negative(value);
  const std::vector<std::byte> magnitude =
      negative ? negated(value) : std::vector(value.begin(), value.end());
  // Repeated division of base-2^8 digits by 10^9 gives nine decimal digits per pass.
  constexpr std::uint64_t kStep = 1'000'000'000;
  std::vector<std::byte> rest = magnitude;
  std::string reversed;
  while (!rest.empty()) {
    std::uint64_t remainder = 0;
    for (std::size_t i = rest.size(); i-- > 0;) {
      const std::uint64_t part = (remainder << 8) | u8(rest[i]);
      rest[i] = static_cast<std::byte>(part / kStep);
      remainder = part % kStep;
    }
    while (!rest.empty() && u8(rest.back()) == 0) rest.pop_back();
    for (int digit = 0; digit < 9; ++digit) {
      reversed.push_back(static_cast<char>('0' + remainder % 10));
      remainder /= 10;
    }
  }
  while (!reversed.empty() && reversed.back() == '0') reversed.pop_back();
  if (reversed.empty()) return "0";
  if (negative) reversed.push_back('-');
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

std::optional<std::vector<std::byte>> integer_from_decimal(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  std::vector<std::byte> magnitude;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    unsigned carry = static_cast<unsigned>(c - '0');
    for (std::byte& b : magnitude) {
      const unsigned part = u8(b) * 10u + carry;
      b = static_cast<std::byte>(part & 0xFF);
      carry = part >> 8;
    }
    if (carry != 0) magnitude.push_back(static_cast<std::byte>(carry));
  }
  magnitude.push_back(std::byte{0});
  return shortest_copy(negative ? negated(magnitude) : magnitude);
}

std::vector<std::byte> integer_from_double(double value) {
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(value), &exponent);  // value = fraction * 2^exponent
  std::uint64_t mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 53));
  int shift = exponent - 53;
  if (shift < 0) {
    mantissa >>= std::min(-shift, 63);  // no bits are lost: the value has no fraction
    shift = 0;
  }
  std::vector<std::byte> magnitude(static_cast<std::size_t>(shift) / 8 + 10);
  const unsigned bit = static_cast<unsigned>(shift) % 8;
  const auto low = mantissa << bit;  // 53 + 7 bits fit
  for (std::size_t i = 0; i < 8; ++i) {
    magnitude[static_cast<std::size_t>(shift) / 8 + i] = static_cast<std::byte>((low >> (8 * i)) & 0xFF);
  }
  return shortest_copy(value < 0 ? negated(magnitude) : magnitude);
}

}  // namespace sconce
