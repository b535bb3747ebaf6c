// Goes through a JSON text value by value, for texts that are too large to be kept as Json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sconce/base/error.h"
#include "sconce/codec/json.h"

namespace sconce::json {

// Stands before a value; what takes the value moves it behind. As strict as parse(), but keys may repeat.
// Errors: kCorrupt, kTruncated, kLimit, each with a byte offset, to which `base_offset` is added.
class Cursor {
 public:
  explicit Cursor(std::string_view text, const Limits& limits = {}, std::uint64_t base_offset = 0)
      : text_(text), limits_(limits), base_offset_(base_offset) {}

  std::size_t position() const { return at_; }
  // The first character of the value; '\0' at the end of the text.
  char first() {
    skip_space();
    return peek();
  }
  // Nothing may follow now.
  void finish();

  // Checks the value and keeps nothing of it. Returns its text.
  std::string_view skip();
  std::string string();
  std::variant<std::int64_t, std::uint64_t, double> number();
  // true, false or null, whose text this is.
  void word(std::string_view expected);

  // Calls `member(key, position)` with each key of an object and where it stands; it must take the value.
  template <class F>
  void members(F&& member) {
    each_member([&](std::size_t position) {
      std::string key;
      take_key(&key);
      member(std::move(key), position);
    });
  }
  // Calls `item()` before each item of an array; it must take the item.
  template <class F>
  void items(F&& item) {
    enter('[', "an array");
    if (!take(']')) {
      do {
        item();
      } while (next());
      if (!take(']')) corrupt("expected ',' or ']' in an array");
    }
    --depth_;
  }

  // An Error at `position`.
  [[noreturn]] void refuse(ErrorCode code, std::size_t position, std::string_view text) const {
    throw Error(code, "json", text).at_offset(base_offset_ + position);
  }

 private:
  [[noreturn]] void corrupt(std::string_view text) const;
  [[noreturn]] void unexpected(std::string_view wanted);
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
  void enter(char open, std::string_view what);
  template <class F>
  void each_member(F&& member) {
    enter('{', "an object");
    if (!take('}')) {
      do {
        first();
        member(at_);
      } while (next());
      if (!take('}')) corrupt("expected ',' or '}' in an object");
    }
    --depth_;
  }
  void take_key(std::string* out);
  bool next() {
    skip_space();
    return take(',');
  }
  bool take_digits();
  std::uint32_t hex4();
  void escape(std::string* out);
  void string_into(std::string* out);

  std::string_view text_;
  Limits limits_;
  std::uint64_t base_offset_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
};

// Tells whether a key occurs twice, and keeps no key for it.
class DistinctKeys {
 public:
  void reserve(std::size_t keys) { keys_.reserve(keys); }
  // `position` is where the key stands in the text, in quotes.
  void add(std::string_view key, std::size_t position);
  std::size_t size() const { return keys_.size(); }
  // Error kCorrupt when two of the keys are equal. `text` is what they stand in.
  void check(std::string_view text, std::uint64_t base_offset = 0);

 private:
  struct Key {
    std::size_t hash;
    std::size_t position;
  };
  std::vector<Key> keys_;
};

}  // namespace sconce::json
