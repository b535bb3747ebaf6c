#include "sconce/state/python_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "sconce/base/text.h"

namespace sconce {
namespace {

struct CodePoint {
  std::uint32_t value;
  std::size_t size;  // in bytes; 0 where they are no UTF-8
};

CodePoint code_point_at(std::string_view text, std::size_t at) {
  const auto lead = static_cast<std::uint8_t>(text[at]);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const std::string_view bytes = text.substr(at, size);
  std::uint32_t value = size == 1 ? lead : lead & (0x7FU >> size);
  for (const char byte : bytes.substr(1)) value = value << 6 | (static_cast<std::uint8_t>(byte) & 0x3FU);
  // A surrogate's three bytes are no UTF-8, but ours for what Python may hold.
  const bool is_surrogate =
      bytes.size() == 3 && lead == 0xED && (bytes[1] & 0xE0) == 0xA0 && (bytes[2] & 0xC0) == 0x80;
  return {value, is_utf8(bytes) || is_surrogate ? size : 0};
}

// str.isprintable: controls, formats, separators, surrogates and private use are not.
bool is_printable(std::uint32_t code_point) {
  struct Range {
    std::uint32_t first, last;
  };
  static constexpr Range kNot[] = {
      {0, 0x1F},          {0x7F, 0xA0},       {0xAD, 0xAD},       {0x600, 0x605},     {0x61C, 0x61C},
      {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x890, 0x891},     {0x8E2, 0x8E2},     {0x1680, 0x1680},
      {0x180E, 0x180E},   {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x206F},   {0x3000, 0x3000},
      {0xD800, 0xF8FF},   {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB},   {0xFFFE, 0xFFFF},   {0x110BD, 0x110BD},
      {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE00FF},
      {0xF0000, 0x10FFFF}};
  return std::none_of(std::begin(kNot), std::end(kNot), [code_point](const Range& range) {
    return range.first <= code_point && code_point <= range.last;
  });
}

std::string hex_escape(char letter, std::uint32_t value, std::size_t digits) {
  std::string out{'\\', letter};
  for (std::size_t i = digits; i-- > 0;) out += "0123456789abcdef"[value >> (4 * i) & 0xF];
  return out;
}

std::string escape_of(std::uint32_t code_point) {
  if (code_point == '\n') return "\\n";
  if (code_point == '\r') return "\\r";
  if (code_point == '\t') return "\\t";
  if (code_point <= 0xFF) return hex_escape('x', code_point, 2);
  return code_point <= 0xFFFF ? hex_escape('u', code_point, 4) : hex_escape('U', code_point, 8);
}

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 32> text;
  const bool is_plain = value == 0 || (std::fabs(value) >= 1e-4 && std::fabs(value) < 1e16);
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 is_plain ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  std::string out(text.data(), end);
  if (is_plain && out.find('.') == std::string::npos) out += ".0";
  return out;
}

std::string string_repr(std::string_view text) {
  const bool is_double =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = is_double ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t at = 0; at < text.size();) {
    const auto [value, size] = code_point_at(text, at);
    if (size == 0) {
      out += hex_escape('x', static_cast<std::uint8_t>(text[at++]), 2);
      continue;
    }
    if (text[at] == quote || text[at] == '\\') out += '\\';
    if (is_printable(value)) {
      out += text.substr(at, size);
    } else {
      out += escape_of(value);
    }
    at += size;
  }
  return out + quote;
}

}  // namespace sconce
