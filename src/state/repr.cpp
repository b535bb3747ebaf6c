#include "sconce/state/repr.h"

#include <array>
#include <charconv>
#include <cmath>
#include <ostream>

#include "sconce/base/big_int.h"
#include "sconce/base/error.h"

namespace sconce {
namespace {

// Python's repr of a float: the shortest text that reads back equal, always with a point or an exponent.
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

std::string string_repr(std::string_view text, std::size_t limit) {
  const bool is_long = text.size() > limit;
  std::string out = "'";
  for (const char c : std::string(escaped(text.substr(0, limit)))) {
    if (c == '\'') out += '\\';
    out += c;
  }
  out += is_long ? cat("'... (", text.size(), " bytes)") : std::string("'");
  return out;
}

std::string bytes_repr(const Value& value) {
  return cat(value.is_bytearray() ? "bytearray" : "bytes", " (", value.as_bytes().size(), " bytes)");
}

// In decimal, whose time is quadratic, as far as Python prints one.
std::string big_int_repr(const Value& value) {
  constexpr std::size_t kMostBytes = 1785;  // 4300 digits
  const std::vector<std::byte> bytes = value.int_bytes();
  return bytes.size() <= kMostBytes ? integer_to_decimal(bytes) : cat("int (", 8 * bytes.size(), " bits)");
}

std::string tensor_repr(const Value& value) {
  if (value.is_sparse()) return cat(value.as_sparse().layout, " tensor", value.as_sparse().size.str());
  const Array& array = value.as_array();
  if (!array.defined()) return "tensor";
  return cat("tensor(", dtype_name(array.dtype()), ", ", array.shape().str(), ")");
}

std::string object_repr(const Value& value) {
  const std::string module = value.global_module();
  const std::string name = value.global_name();
  if (name.empty()) return "<object>";
  return cat("<", escaped(module), ".", escaped(name), ">");
}

class Writer {
 public:
  explicit Writer(const ReprLimits& limits) : limits_(limits) {}

  std::string write(const Value& value, std::size_t depth) const {
    switch (value.kind()) {
      case ValueKind::kNone:
        return "None";
      case ValueKind::kBool:
        return value.as_bool() ? "True" : "False";
      case ValueKind::kInt:
        return value.is_big_int() ? big_int_repr(value) : std::to_string(value.as_int());
      case ValueKind::kFloat:
        return float_repr(value.as_float());
      case ValueKind::kComplex:
        return cat("(", float_repr(value.as_complex().real()), "+", float_repr(value.as_complex().imag()),
                   "j)");
      case ValueKind::kString:
        return string_repr(value.as_string(), limits_.characters);
      case ValueKind::kBytes:
        return bytes_repr(value);
      case ValueKind::kList:
        return sequence("[", value, "]", depth);
      case ValueKind::kTuple:
        return sequence("(", value, value.size() == 1 ? ",)" : ")", depth);
      case ValueKind::kSet:
        return value.size() == 0 ? "set()" : sequence("{", value, "}", depth);
      case ValueKind::kDict:
        return mapping(value, depth);
      case ValueKind::kArray:
      case ValueKind::kSparse:
        return tensor_repr(value);
      case ValueKind::kObject:
        return object_repr(value);
    }
    return {};
  }

 private:
  std::string sequence(std::string_view open, const Value& value, std::string_view close,
                       std::size_t depth) const {
    if (depth == 0) return cat(open, "...", close.substr(close.size() - 1));
    std::string out(open);
    std::size_t count = 0;
    for (const Value& element : value.elements()) {
      if (count > 0) out += ", ";
      if (count++ == limits_.elements) return cat(out, "...", close.substr(close.size() - 1));
      out += write(element, depth - 1);
    }
    return out += close;
  }

  std::string mapping(const Value& value, std::size_t depth) const {
    if (depth == 0) return "{...}";
    std::string out = "{";
    std::size_t count = 0;
    for (const auto& [key, element] : value.items()) {
      if (count > 0) out += ", ";
      if (count++ == limits_.elements) return out + "...}";
      out += write(key, depth - 1) + ": " + write(element, depth - 1);
    }
    return out + "}";
  }

  ReprLimits limits_;
};

}  // namespace

std::string value_repr(const Value& value, const ReprLimits& limits) {
  return Writer(limits).write(value, limits.depth);
}

std::ostream& operator<<(std::ostream& out, const Value& value) { return out << value_repr(value); }

}  // namespace sconce
