#include "sconce/codec/json_cursor.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <system_error>

#include "codec/unicode_escape.h"
#include "sconce/base/text.h"

namespace sconce::json {

void Cursor::corrupt(std::string_view text) const {
  refuse(at_ >= text_.size() ? ErrorCode::kTruncated : ErrorCode::kCorrupt, at_, text);
}

// What is no JSON at all, or too deep, is said of the value first.
void Cursor::unexpected(std::string_view wanted) {
  const std::size_t begin = at_;
  skip();
  refuse(ErrorCode::kCorrupt, begin, cat("expected ", wanted));
}

void Cursor::finish() {
  skip_space();
  if (at_ != text_.size()) corrupt("expected the end of the text after the value");
}

void Cursor::enter(char open, std::string_view what) {
  if (first() != open) unexpected(what);
  if (depth_ >= limits_.depth) {
    refuse(ErrorCode::kLimit, at_, cat("nested deeper than ", limits_.depth, " levels"));
  }
  ++depth_;
  ++at_;
  skip_space();
}

void Cursor::take_key(std::string* out) {
  if (first() != '"') corrupt("expected a key in quotes");
  string_into(out);
  skip_space();
  if (!take(':')) corrupt("expected ':' after a key");
}

// Recursive descent; the depth limit bounds the recursion.
std::string_view Cursor::skip() {
  const char c = first();
  const std::size_t begin = at_;
  if (c == '{') {
    each_member([this](std::size_t) {
      take_key(nullptr);
      skip();
    });
  } else if (c == '[') {
    items([this] { skip(); });
  } else if (c == '"') {
    string_into(nullptr);
  } else if (c == 't') {
    word("true");
  } else if (c == 'f') {
    word("false");
  } else if (c == 'n') {
    word("null");
  } else {
    number();
  }
  return text_.substr(begin, at_ - begin);
}

void Cursor::word(std::string_view expected) {
  skip_space();
  if (text_.substr(at_, expected.size()) != expected) {
    if (expected.starts_with(text_.substr(at_))) at_ = text_.size();
    corrupt(cat("expected ", expected));
  }
  at_ += expected.size();
}

std::string Cursor::string() {
  if (first() != '"') unexpected("a string");
  std::string out;
  string_into(&out);
  return out;
}

bool Cursor::take_digits() {
  const std::size_t begin = at_;
  while (peek() >= '0' && peek() <= '9') ++at_;
  return at_ != begin;
}

std::variant<std::int64_t, std::uint64_t, double> Cursor::number() {
  skip_space();
  const std::size_t begin = at_;
  const bool negative = take('-');
  if (!take('0') && !take_digits()) corrupt("expected a value");
  bool integer = true;
  if (take('.')) {
    integer = false;
    if (!take_digits()) corrupt("expected digits after the decimal point");
  }
  if (peek() == 'e' || peek() == 'E') {
    integer = false;
    ++at_;
    if (!take('+')) take('-');
    if (!take_digits()) corrupt("expected digits in the exponent");
  }
  const char* const first = text_.data() + begin;
  const char* const last = text_.data() + at_;
  if (integer) {
    std::int64_t small = 0;
    if (std::from_chars(first, last, small).ec == std::errc()) return small;
    std::uint64_t large = 0;
    if (!negative && std::from_chars(first, last, large).ec == std::errc()) return large;
  }
  double real = 0;
  if (std::from_chars(first, last, real).ec != std::errc()) {
    at_ = begin;
    refuse(ErrorCode::kLimit, at_, "a number outside the range of a double");
  }
  return real;
}

std::uint32_t Cursor::hex4() {
  const std::optional<std::uint32_t> value = hex_digits_at(text_, at_, 4);
  if (!value) {
    if (text_.size() - at_ < 4) at_ = text_.size();
    corrupt("expected four hexadecimal digits");
  }
  at_ += 4;
  return *value;
}

void Cursor::escape(std::string* out) {
  static constexpr std::string_view kLetters = "\"\\/bfnrt";
  static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
  if (at_ >= text_.size()) corrupt("expected the rest of an escape");
  if (!take('u')) {
    const std::size_t letter = kLetters.find(peek());
    if (letter == std::string_view::npos) corrupt("unknown escape");
    ++at_;
    if (out != nullptr) out->push_back(kValues[letter]);
    return;
  }
  std::uint32_t c = hex4();
  if (c >= 0xD800 && c <= 0xDFFF) {
    const std::size_t second = at_;
    const bool pair = c < 0xDC00 && take('\\') && take('u');
    const std::uint32_t low = pair ? hex4() : 0;
    if (low < 0xDC00 || low > 0xDFFF) {
      at_ = at_ >= text_.size() ? at_ : second;
      corrupt("a lone surrogate");
    }
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
  }
  if (out != nullptr) append_utf8(*out, c);
}

// Escapes stand for whole characters, so that text is UTF-8 when what stands between them is.
void Cursor::string_into(std::string* out) {
  const std::size_t begin = at_++;
  while (true) {
    std::size_t end = at_;
    while (end < text_.size() && text_[end] != '"' && text_[end] != '\\' &&
           static_cast<unsigned char>(text_[end]) >= 0x20) {
      ++end;
    }
    const std::string_view plain = text_.substr(at_, end - at_);
    if (out != nullptr && end - begin > limits_.string_bytes) {
      refuse(ErrorCode::kLimit, begin, cat("a string has more than ", limits_.string_bytes, " bytes"));
    }
    if (!is_utf8(plain)) refuse(ErrorCode::kCorrupt, begin, "a string is not valid UTF-8");
    if (out != nullptr) *out += plain;
    at_ = end;
    if (take('"')) return;
    if (!take('\\')) corrupt("expected the end of a string, or \\u escapes for control characters");
    escape(out);
  }
}

void DistinctKeys::add(std::string_view key, std::size_t position) {
  keys_.push_back({std::hash<std::string_view>{}(key), position});
}

// Keys of one hash are compared as text: whoever writes many of them on purpose gains nothing.
void DistinctKeys::check(std::string_view text, std::uint64_t base_offset) {
  const auto key_at = [text](const Key& key) { return Cursor(text.substr(key.position)).string(); };
  std::sort(keys_.begin(), keys_.end(), [](const Key& a, const Key& b) { return a.hash < b.hash; });
  for (auto first = keys_.begin(); first != keys_.end();) {
    const auto last =
        std::find_if(first, keys_.end(), [first](const Key& key) { return key.hash != first->hash; });
    if (last - first > 1) {
      std::sort(first, last, [&](const Key& a, const Key& b) {
        const int order = key_at(a).compare(key_at(b));
        return order != 0 ? order < 0 : a.position < b.position;
      });
      const auto twice =
          std::adjacent_find(first, last, [&](const Key& a, const Key& b) { return key_at(a) == key_at(b); });
      if (twice != last) {
        Cursor(text, {}, base_offset)
            .refuse(ErrorCode::kCorrupt, twice[1].position,
                    cat("the key '", escaped(key_at(*twice)), "' occurs twice"));
      }
    }
    first = last;
  }
}

}  // namespace sconce::json
