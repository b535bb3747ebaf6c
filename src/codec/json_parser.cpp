#include <string>
#include <unordered_set>
#include <utility>
#include <variant>

#include "sconce/base/error.h"
#include "sconce/codec/json.h"
#include "sconce/codec/json_cursor.h"

namespace sconce::json {

// Recursive descent; the depth limit bounds the recursion.
class Parser {
 public:
  Parser(std::string_view text, const Limits& limits, std::uint64_t base_offset)
      : cursor_(text, limits, base_offset), most_values_(limits.values), base_offset_(base_offset) {}

  Json document() {
    Json value = this->value();
    cursor_.finish();
    return value;
  }

 private:
  Json value() {
    const char first = cursor_.first();
    const std::size_t begin = cursor_.position();
    if (++values_ > most_values_) {
      cursor_.refuse(ErrorCode::kLimit, begin, cat("more than ", most_values_, " values"));
    }
    Json out = bare_value(first);
    out.offset_ = base_offset_ + begin;
    return out;
  }
  Json bare_value(char first) {
    switch (first) {
      case '{':
        return object();
      case '[':
        return array();
      case '"':
        return cursor_.string();
      case 't':
        cursor_.word("true");
        return true;
      case 'f':
        cursor_.word("false");
        return false;
      case 'n':
        cursor_.word("null");
        return nullptr;
      default:
        return std::visit([](auto number) { return Json(number); }, cursor_.number());
    }
  }
  Json array() {
    Array out;
    cursor_.items([&] { out.push_back(value()); });
    return out;
  }
  Json object() {
    Object out;
    std::unordered_set<std::string> keys;
    cursor_.members([&](std::string key, std::size_t position) {
      if (!keys.insert(key).second) {
        cursor_.refuse(ErrorCode::kCorrupt, position, cat("the key '", escaped(key), "' occurs twice"));
      }
      out.emplace_back(std::move(key), value());
    });
    return out;
  }

  Cursor cursor_;
  std::size_t most_values_;
  std::size_t values_ = 0;
  std::uint64_t base_offset_;
};

Json parse(std::string_view text, const Limits& limits, std::uint64_t base_offset) {
  return Parser(text, limits, base_offset).document();
}

}  // namespace sconce::json
