#include "sconce/codec/json.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "sconce/base/error.h"

namespace sconce::json {
namespace {

std::string_view type_name(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_bool()) return "a boolean";
  if (value.is_integer()) return "an integer";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a string";
  return value.is_array() ? "an array" : "an object";
}

class Writer {
 public:
  explicit Writer(const WriteStyle& style) : style_(style) {}

  void value(const Json& json, int level) {
    if (json.is_null()) {
      out += "null";
    } else if (json.is_bool()) {
      out += json.as_bool() ? "true" : "false";
    } else if (json.is_number()) {
      number(json);
    } else if (json.is_string()) {
      out += quoted(json.as_string());
    } else if (json.is_array()) {
      many(json.as_array(), '[', ']', level, [&](const Json& item) { value(item, level + 1); });
    } else {
      many(json.as_object(), '{', '}', level, [&](const Member& member) {
        out += quoted(member.first);
        out += style_.indent < 0 ? ":" : ": ";
        value(member.second, level + 1);
      });
    }
  }

  std::string out;

 private:
  void number(const Json& json) {
    char buffer[32];
    std::to_chars_result end{};
    if (!json.is_integer()) {
      if (!std::isfinite(json.as_double())) {
        out += "null";
        return;
      }
      end = std::to_chars(buffer, buffer + sizeof buffer, json.as_double());
      out.append(buffer, end.ptr);
      // A double stays a double when it is read back.
      if (std::string_view(buffer, static_cast<std::size_t>(end.ptr - buffer)).find_first_of(".e") ==
          std::string_view::npos) {
        out += ".0";
      }
      return;
    }
    end = json.as_double() < 0 ? std::to_chars(buffer, buffer + sizeof buffer, json.as_int())
                               : std::to_chars(buffer, buffer + sizeof buffer, json.as_uint());
    out.append(buffer, end.ptr);
  }
  void line(int level) {
    if (style_.indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(style_.indent) * static_cast<std::size_t>(level), ' ');
  }
  template <class Items, class Each>
  void many(const Items& items, char open, char close, int level, Each each) {
    out += open;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i != 0) out += ',';
      line(level + 1);
      each(items[i]);
    }
    if (!items.empty()) line(level);
    out += close;
  }

  WriteStyle style_;
};

}  // namespace

Json::Json(std::uint64_t value) {
  if (std::in_range<std::int64_t>(value)) {
    value_ = static_cast<std::int64_t>(value);
  } else {
    value_ = value;
  }
}

void Json::unexpected(std::string_view wanted) const {
  throw Error(ErrorCode::kCorrupt, "json", cat("expected ", wanted, ", found ", type_name(*this)))
      .at_offset(offset_);
}

bool Json::as_bool() const {
  if (!is_bool()) unexpected("a boolean");
  return std::get<bool>(value_);
}
std::int64_t Json::as_int() const {
  if (!std::holds_alternative<std::int64_t>(value_)) unexpected("an integer of 64 bits");
  return std::get<std::int64_t>(value_);
}
std::uint64_t Json::as_uint() const {
  if (std::holds_alternative<std::uint64_t>(value_)) return std::get<std::uint64_t>(value_);
  if (!is_integer() || as_int() < 0) unexpected("an integer that is not negative");
  return static_cast<std::uint64_t>(as_int());
}
double Json::as_double() const {
  if (const auto* real = std::get_if<double>(&value_)) return *real;
  if (const auto* large = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*large);
  if (!is_integer()) unexpected("a number");
  return static_cast<double>(as_int());
}
const std::string& Json::as_string() const {
  if (!is_string()) unexpected("a string");
  return std::get<std::string>(value_);
}
const Array& Json::as_array() const {
  if (!is_array()) unexpected("an array");
  return std::get<Array>(value_);
}
const Object& Json::as_object() const {
  if (!is_object()) unexpected("an object");
  return std::get<Object>(value_);
}

const Json* Json::find(std::string_view key) const {
  for (const Member& member : as_object()) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  const Json* const found = find(key);
  if (found == nullptr) {
    throw Error(ErrorCode::kCorrupt, "json", cat("expected the key '", key, "'")).at_offset(offset_);
  }
  return *found;
}

std::string quoted(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += text[i++];
    } else if (c == '\n') {
      out += "\\n";
      ++i;
    } else if (c == '\t') {
      out += "\\t";
      ++i;
    } else if (c == '\r') {
      out += "\\r";
      ++i;
    } else if (c < 0x20 || c == 0x7F) {
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
      ++i;
    } else {
      std::size_t n = 1;
      while (n < 4 && !is_utf8(text.substr(i, n))) ++n;
      const bool valid = is_utf8(text.substr(i, n));
      out += valid ? text.substr(i, n) : "\xEF\xBF\xBD";
      i += valid ? n : 1;
    }
  }
  return out += '"';
}

std::string write(const Json& value, const WriteStyle& style) {
  Writer writer(style);
  writer.value(value, 0);
  return std::move(writer.out);
}

}  // namespace sconce::json
