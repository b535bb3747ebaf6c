#include <charconv>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_set>

#include "codec/unicode_escape.h"
#include "sconce/base/error.h"
#include "sconce/codec/json.h"

namespace sconce::json {

// Recursive descent; the depth limit bounds the recursion.
class Parser {
 public:
  Parser(std::string_view text, const Limits& limits, std::uint64_t base_offset)
      : text_(text), limits_(limits), base_offset_(base_offset) {}

  Json document() {
    Json value = this->value(0);
    skip_space();
    if (at_ != text_.size()) corrupt("expected the end of the text after the value");
    return value;
  }

 private:
  [[noreturn]] void stop(ErrorCode code, std::string_view text) const {
    throw Error(code, "json", text).at_offset(base_offset_ + at_);
  }
  [[noreturn]] void corrupt(std::string_view text) const {
    stop(at_ >= text_.size() ? ErrorCode::kTruncated : ErrorCode::kCorrupt, text);
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  Json value(std::size_t depth) {
    skip_space();
    const std::size_t begin = at_;
    Json out = bare_value(depth);
    out.offset_ = base_offset_ + begin;
    return out;
  }
  Json bare_value(std::size_t depth) {
    switch (peek()) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return string();
      case 't':
        return word("true", true);
      case 'f':
        return word("false", false);
      case 'n':
        return word("null", nullptr);
      default:
        return number();
    }
  }
  Json word(std::string_view expected, Json meaning) {
    if (text_.substr(at_, expected.size()) != expected) {
      if (expected.starts_with(text_.substr(at_))) at_ = text_.size();
      corrupt(cat("expected ", expected));
    }
    at_ += expected.size();
    return meaning;
  }
  void enter(std::size_t depth) {
    if (depth >= limits_.depth) stop(ErrorCode::kLimit, cat("nested deeper than ", limits_.depth, " levels"));
    ++at_;
    skip_space();
  }

  Json array(std::size_t depth) {
    enter(depth);
    Array out;
    if (take(']')) return out;
    do {
      out.push_back(value(depth + 1));
      skip_space();
    } while (take(','));
    if (!take(']')) corrupt("expected ',' or ']' in an array");
    return out;
  }
  Json object(std::size_t depth) {
    enter(depth);
    Object out;
    std::unordered_set<std::string> keys;
    if (take('}')) return out;
    do {
      skip_space();
      const std::size_t begin = at_;
      if (peek() != '"') corrupt("expected a key in quotes");
      std::string key = string();
      if (!keys.insert(key).second) {
        at_ = begin;
        corrupt(cat("the key '", escaped(key), "' occurs twice"));
      }
      skip_space();
      if (!take(':')) corrupt("expected ':' after a key");
      out.emplace_back(std::move(key), value(depth + 1));
      skip_space();
    } while (take(','));
    if (!take('}')) corrupt("expected ',' or '}' in an object");
    return out;
  }

  bool take_digits() {
    const std::size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ != begin;
  }
  Json number() {
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
      stop(ErrorCode::kLimit, "a number outside the range of a double");
    }
    return real;
  }

  std::uint32_t hex4() {
    const std::optional<std::uint32_t> value = hex_digits_at(text_, at_, 4);
    if (!value) {
      if (text_.size() - at_ < 4) at_ = text_.size();
      corrupt("expected four hexadecimal digits");
    }
    at_ += 4;
    return *value;
  }
  void escape(std::string& out) {
    static constexpr std::string_view kLetters = "\"\\/bfnrt";
    static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    if (at_ >= text_.size()) corrupt("expected the rest of an escape");
    if (!take('u')) {
      const std::size_t letter = kLetters.find(peek());
      if (letter == std::string_view::npos) corrupt("unknown escape");
      ++at_;
      out.push_back(kValues[letter]);
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
    append_utf8(out, c);
  }
  std::string string() {
    const std::size_t begin = at_++;
    std::string out;
    while (true) {
      std::size_t end = at_;
      while (end < text_.size() && text_[end] != '"' && text_[end] != '\\' &&
             static_cast<unsigned char>(text_[end]) >= 0x20) {
        ++end;
      }
      out += text_.substr(at_, end - at_);
      at_ = end;
      if (take('"')) break;
      if (!take('\\')) corrupt("expected the end of a string, or \\u escapes for control characters");
      escape(out);
    }
    if (!is_utf8(out)) {
      at_ = begin;
      corrupt("a string is not valid UTF-8");
    }
    return out;
  }

  std::string_view text_;
  const Limits& limits_;
  std::uint64_t base_offset_;
  std::size_t at_ = 0;
};

Json parse(std::string_view text, const Limits& limits, std::uint64_t base_offset) {
  return Parser(text, limits, base_offset).document();
}

}  // namespace sconce::json
