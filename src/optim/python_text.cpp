#include "optim/python_text.h"

#include <array>
#include <charconv>
#include <cmath>

namespace sconce::optim {
namespace {

// The shortest digits that read back as `value`, laid out by Python's rule: an exponent below 1e-4 and from
// 1e16 on.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::fabs(value);
  const bool is_plain = size == 0 || (size >= 1e-4 && size < 1e16);
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 is_plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer.data(), end.ptr);
  if (is_plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string joined(const std::vector<Value>& elements) {
  std::string out;
  for (const Value& element : elements) out += (out.empty() ? "" : ", ") + python_text(element);
  return out;
}

}  // namespace

std::string python_text(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kNone:
      return "None";
    case ValueKind::kBool:
      return value.as_bool() ? "True" : "False";
    case ValueKind::kInt:
      return value.is_big_int() ? "int" : std::to_string(value.as_int());
    case ValueKind::kFloat:
      return float_text(value.as_float());
    case ValueKind::kString:
      return cat("'", escaped(value.as_string()), "'");
    case ValueKind::kList:
      return cat("[", joined(value.elements()), "]");
    case ValueKind::kTuple:
      return cat("(", joined(value.elements()), value.size() == 1 ? ",)" : ")");
    case ValueKind::kDict: {
      std::string out;
      for (const auto& [key, element] : value.items()) {
        out += cat(out.empty() ? "" : ", ", python_text(key), ": ", python_text(element));
      }
      return cat("{", out, "}");
    }
    case ValueKind::kArray:
      return value.as_array().str();
    default:
      return std::string(value_kind_name(value.kind()));
  }
}

}  // namespace sconce::optim
