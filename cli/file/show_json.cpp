#include "file/show_json.h"

#include <fmt/format.h>

#include <cmath>
#include <complex>
#include <cstring>

#include "common/json_members.h"
#include "sconce/checkpoint/named.h"
#include "sconce/core/print.h"
#include "sconce/state/repr.h"

namespace sconce::cli {
namespace {

constexpr std::size_t kMostParts = 1'000'000;
constexpr int kDeepest = 100;

std::string number_text(double value, NotFinite& count) {
  if (std::isfinite(value)) return fmt::format("{}", value);
  ++(std::isnan(value) ? count.nan : count.infinite);
  return "null";
}

template <class T>
std::string element_text(T value, NotFinite& count) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return number_text(value, count);
  } else if constexpr (requires { value.real.bits; }) {
    return cat('[', number_text(static_cast<float>(value.real), count), ", ",
               number_text(static_cast<float>(value.imag), count), ']');
  } else if constexpr (requires { value.real(); }) {
    return cat('[', number_text(value.real(), count), ", ", number_text(value.imag(), count), ']');
  } else {
    return number_text(static_cast<float>(value), count);
  }
}

class ValueToJson {
 public:
  Json convert(const Value& value, int depth) {
    require(++parts_ <= kMostParts, ErrorCode::kLimit, "show", "more than ", kMostParts,
            " values; name a smaller part");
    switch (value.kind()) {
      case ValueKind::kNone:
        return nullptr;
      case ValueKind::kBool:
        return value.as_bool();
      case ValueKind::kInt:
        return value.is_big_int() ? Json(value_repr(value)) : Json(value.as_int());
      case ValueKind::kFloat:
        return std::isfinite(value.as_float()) ? Json(value.as_float()) : Json(nullptr);
      case ValueKind::kString:
        return value.as_string();
      case ValueKind::kList:
      case ValueKind::kTuple:
      case ValueKind::kSet: {
        if (depth == kDeepest) return "...";
        Json out = Json::array();
        for (const Value& element : value.elements()) out.push_back(convert(element, depth + 1));
        return out;
      }
      case ValueKind::kDict: {
        if (depth == kDeepest) return "...";
        JsonMembers out;
        for (const auto& [key, element] : value.items()) {
          out.set(checkpoint::key_name(key), convert(element, depth + 1));
        }
        return std::move(out).object();
      }
      default:
        return value_repr(value);
    }
  }

 private:
  std::size_t parts_ = 0;
};

}  // namespace

NotFinite print_elements(const Array& array) {
  NotFinite count;
  const Array dense = with_integers(array).contiguous();
  const Shape& shape = dense.shape();
  const std::size_t rank = shape.size();
  if (dense.numel() == 0) {
    // Nothing to count through: the lists that are there are told by the sizes before the first 0.
    std::string text = "[]";
    std::size_t zero = 0;
    while (shape[zero] != 0) ++zero;
    for (std::size_t dim = zero; dim-- > 0;) {
      std::string row = "[";
      for (std::int64_t i = 0; i < shape[dim]; ++i) row += (i > 0 ? ", " : "") + text;
      text = row + "]";
    }
    out().print(text);
    return count;
  }
  visit_dtype(dense.dtype(), [&]<class T>(std::type_identity<T>) {
    Dims position(rank);
    std::size_t opened = rank;  // brackets to open before the next element
    for (std::int64_t i = 0; i < dense.numel(); ++i) {
      T value;
      std::memcpy(&value, dense.raw() + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
      out().print(std::string(opened, '[') + element_text(value, count));
      std::size_t dim = rank;
      while (dim > 0 && ++position[dim - 1] == shape[dim - 1]) position[--dim] = 0;
      opened = rank - dim;
      out().print(std::string(opened, ']') + (i + 1 < dense.numel() ? ", " : ""));
    }
  });
  return count;
}

Json value_json(const Value& value) { return ValueToJson().convert(value, 0); }

}  // namespace sconce::cli
