// Strict JSON (RFC 8259): duplicate keys, lone surrogates, invalid UTF-8, deep nesting and anything after the
// value are errors. Numbers are kept exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sconce::json {

struct Limits {
  std::size_t depth = 64;                                              // of nested arrays and objects
  std::size_t values = 1'000'000;                                      // in all, of what is parsed as a whole
  std::size_t string_bytes = std::numeric_limits<std::size_t>::max();  // of one, as it is written
};

class Json;
using Array = std::vector<Json>;
using Member = std::pair<std::string, Json>;
using Object = std::vector<Member>;  // in order of writing, keys distinct

// A value. Accessors that do not fit throw kCorrupt with the value's byte offset: they state what a reader
// expects.
class Json {
 public:
  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(std::int64_t value) : value_(value) {}
  Json(std::uint64_t value);  // held as int64 where it fits
  Json(int value) : value_(std::int64_t{value}) {}
  Json(double value) : value_(value) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  // Written without fraction and exponent, and within int64 or uint64.
  bool is_integer() const {
    return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<std::uint64_t>(value_);
  }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  bool as_bool() const;
  std::int64_t as_int() const;    // an integer within int64
  std::uint64_t as_uint() const;  // an integer that is not negative
  double as_double() const;       // any number
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;

  // The member `key` of an object; null when there is none.
  const Json* find(std::string_view key) const;
  // The same, but a missing key is Error kCorrupt.
  const Json& at(std::string_view key) const;

  std::uint64_t offset() const { return offset_; }  // where it began in the text; 0 when not parsed
  // Throws kCorrupt: "expected <wanted>, found <its type>".
  [[noreturn]] void unexpected(std::string_view wanted) const;

  // Compares values; offsets do not count.
  friend bool operator==(const Json& a, const Json& b) { return a.value_ == b.value_; }

 private:
  friend class Parser;
  using Data =
      std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object>;
  Data value_;
  std::uint64_t offset_ = 0;
};

// Errors: kCorrupt, kTruncated, kLimit, each with a byte offset, to which `base_offset` is added.
Json parse(std::string_view text, const Limits& limits = {}, std::uint64_t base_offset = 0);

struct WriteStyle {
  int indent = -1;  // spaces per level; -1 writes one line without spaces
};

// Deterministic text: members in their order, shortest numbers that read back equal, NaN and infinities as
// null.
std::string write(const Json& value, const WriteStyle& style = {});

// `text` in quotes with JSON escapes; bytes that are not UTF-8 become U+FFFD.
std::string quoted(std::string_view text);

}  // namespace sconce::json
