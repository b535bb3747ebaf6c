#include "codec/pickle_text.h"

#include <cstdint>

#include "codec/unicode_escape.h"
#include "sconce/base/text.h"

namespace sconce::pickle {
namespace {

bool is_surrogate_at(std::string_view text, std::size_t i) {
  return i + 2 < text.size() && static_cast<std::uint8_t>(text[i]) == 0xED &&
         static_cast<std::uint8_t>(text[i + 1]) >= 0xA0 && static_cast<std::uint8_t>(text[i + 1]) <= 0xBF &&
         (static_cast<std::uint8_t>(text[i + 2]) & 0xC0) == 0x80;
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// Index of `c` among the single-letter escapes, or npos.
constexpr std::string_view kEscapeLetters = "abfnrtv\\'\"";
constexpr std::string_view kEscapeValues = "\a\b\f\n\r\t\v\\'\"";

}  // namespace

bool is_python_utf8(std::string_view text) {
  if (is_utf8(text)) return true;
  std::size_t begin = 0;
  for (std::size_t i = text.find('\xED'); i != std::string_view::npos; i = text.find('\xED', i)) {
    if (!is_surrogate_at(text, i)) {
      ++i;
      continue;
    }
    if (!is_utf8(text.substr(begin, i - begin))) return false;
    i += 3;
    begin = i;
  }
  return is_utf8(text.substr(begin));
}

std::optional<std::string> unquote_python2(std::string_view line) {
  if (line.size() < 2 || (line.front() != '\'' && line.front() != '"') || line.back() != line.front()) {
    return std::nullopt;
  }
  const std::string_view text = line.substr(1, line.size() - 2);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out.push_back(text[i]);
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    if (const std::size_t letter = kEscapeLetters.find(text[i]); letter != std::string_view::npos) {
      out.push_back(kEscapeValues[letter]);
    } else if (text[i] == 'x') {
      const auto value = hex_digits_at(text, i + 1, 2);
      if (!value) return std::nullopt;
      out.push_back(static_cast<char>(*value));
      i += 2;
    } else if (is_octal(text[i])) {
      unsigned value = 0;
      std::size_t digits = 0;
      for (; digits < 3 && i + digits < text.size() && is_octal(text[i + digits]); ++digits) {
        value = value * 8 + static_cast<unsigned>(text[i + digits] - '0');
      }
      out.push_back(static_cast<char>(value & 0xFF));
      i += digits - 1;
    } else {  // Python keeps an unknown escape as it stands
      out.push_back('\\');
      out.push_back(text[i]);
    }
  }
  return out;
}

std::optional<std::string> decode_raw_unicode_escape(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\' || i + 1 == line.size()) {
      append_utf8(out, static_cast<std::uint8_t>(line[i]));
      continue;
    }
    const char letter = line[i + 1];
    if (letter == 'u' || letter == 'U') {
      const std::size_t digits = letter == 'u' ? 4 : 8;
      const auto value = hex_digits_at(line, i + 2, digits);
      if (!value || *value > 0x10FFFF) return std::nullopt;
      append_utf8(out, *value);
      i += 1 + digits;
    } else {
      out.push_back('\\');
      append_utf8(out, static_cast<std::uint8_t>(letter));
      ++i;
    }
  }
  return out;
}

}  // namespace sconce::pickle
