#include "sconce/state/repr.h"

#include <ostream>

#include "sconce/base/big_int.h"
#include "sconce/base/error.h"
#include "sconce/state/python_text.h"

namespace sconce {
namespace {

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
        return cut_string(value.as_string());
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
  std::string cut_string(std::string_view text) const {
    const bool is_long = text.size() > limits_.characters;
    return cat(string_repr(text.substr(0, limits_.characters)),
               is_long ? cat("... (", text.size(), " bytes)") : "");
  }

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
