#include "sconce/base/text.h"

#include <cstdint>
#include <locale>
#include <sstream>
#include <utility>

namespace sconce {

void detail::append_streamed(std::string& out, const void* part, void (*print)(std::ostream&, const void*)) {
  std::ostringstream stream;
  stream.imbue(std::locale::classic());
  print(stream, part);
  out += std::move(stream).str();
}

std::string detail::join(std::span<const TextPart> parts) {
  std::string out;
  for (const TextPart& part : parts) part.append(out, part.at, part.size);
  return out;
}

namespace {

constexpr char kHex[] = "0123456789abcdef";

// Length of the well-formed UTF-8 sequence at text[i], or 0. Table 3-7 of the Unicode Standard.
std::size_t utf8_length(std::string_view text, std::size_t i) {
  auto byte = [&](std::size_t k) { return static_cast<std::uint8_t>(text[k]); };
  auto continuation = [&](std::size_t k, std::uint8_t low = 0x80, std::uint8_t high = 0xBF) {
    return k < text.size() && byte(k) >= low && byte(k) <= high;
  };
  const std::uint8_t lead = byte(i);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continuation(i + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const std::uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;
    const std::uint8_t high = lead == 0xED ? 0x9F : 0xBF;
    return continuation(i + 1, low, high) && continuation(i + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const std::uint8_t low = lead == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t high = lead == 0xF4 ? 0x8F : 0xBF;
    return continuation(i + 1, low, high) && continuation(i + 2) && continuation(i + 3) ? 4 : 0;
  }
  return 0;
}

void append_hex(std::string& out, std::uint8_t byte) {
  out += "\\x";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

// C1 controls (U+0080..U+009F), the bidirectional marks (U+061C, U+200E..) and the line separators, which
// also move a terminal's text.
bool is_unprintable(std::string_view sequence) {
  auto byte = [&](std::size_t k) { return static_cast<std::uint8_t>(sequence[k]); };
  if (sequence.size() == 2) {
    return (byte(0) == 0xC2 && byte(1) < 0xA0) || (byte(0) == 0xD8 && byte(1) == 0x9C);
  }
  if (sequence.size() != 3 || byte(0) != 0xE2) return false;
  if (byte(1) == 0x80) return (byte(2) >= 0x8E && byte(2) <= 0x8F) || (byte(2) >= 0xA8 && byte(2) <= 0xAE);
  return byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;
}

}  // namespace

void append_text(std::string& out, const Escaped& part) {
  const std::string_view text = part.text_;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<std::uint8_t>(text[i]);
    const std::size_t length = utf8_length(text, i);
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c < 0x20 || c == 0x7F || length == 0) {
      append_hex(out, c);
    } else if (is_unprintable(text.substr(i, length))) {
      for (std::size_t k = 0; k < length; ++k) append_hex(out, static_cast<std::uint8_t>(text[i + k]));
    } else {
      out += text.substr(i, length);
    }
    i += length == 0 ? 1 : length;
  }
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

}  // namespace sconce
