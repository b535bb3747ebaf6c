#include "codec/unicode_escape.h"

#include <charconv>
#include <system_error>

namespace sconce {

std::optional<std::uint32_t> hex_digits_at(std::string_view text, std::size_t begin, std::size_t digits) {
  if (text.size() < digits || begin > text.size() - digits) return std::nullopt;
  std::uint32_t value = 0;
  const char* const end = text.data() + begin + digits;
  const auto [stopped, error] = std::from_chars(text.data() + begin, end, value, 16);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

void append_utf8(std::string& out, std::uint32_t code_point) {
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
    return;
  }
  // The first byte tells how many follow, which hold six bits each.
  const int following = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
  const std::uint32_t lead = 0xF80U >> following & 0xFF;
  out.push_back(static_cast<char>(lead | code_point >> 6 * following));
  for (int i = following - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(0x80 | (code_point >> 6 * i & 0x3F)));
  }
}

}  // namespace sconce
