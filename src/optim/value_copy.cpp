#include "optim/value_copy.h"

namespace sconce::optim {
namespace {

constexpr int kDeepest = 32;

Value copy(const Value& value, const std::function<Array(const Array&)>& on_array, int depth) {
  require(depth < kDeepest, ErrorCode::kLimit, "optim", "a value is nested deeper than ", kDeepest,
          " levels");
  const auto fill = [&](Value out) {
    for (const Value& element : value.elements()) out.append(copy(element, on_array, depth + 1));
    return out;
  };
  switch (value.kind()) {
    case ValueKind::kNone:
      return {};
    case ValueKind::kBool:
      return value.as_bool();
    case ValueKind::kInt:
      return value.is_big_int() ? value : Value(value.as_int());
    case ValueKind::kFloat:
      return value.as_float();
    case ValueKind::kString:
      return value.as_string();
    case ValueKind::kArray: {
      TensorLeaf leaf = value.as_tensor();
      leaf.array = on_array(leaf.array);
      return leaf;
    }
    case ValueKind::kList:
      return fill(Value::list());
    case ValueKind::kTuple:
      return fill(Value::tuple());
    case ValueKind::kDict: {
      Value out = value.is_ordered_dict() ? Value::ordered_dict() : Value::dict();
      for (const auto& [key, element] : value.items()) {
        out.set_item(copy(key, on_array, depth + 1), copy(element, on_array, depth + 1));
      }
      return out;
    }
    case ValueKind::kComplex:
    case ValueKind::kBytes:
    case ValueKind::kSet:
    case ValueKind::kSparse:
    case ValueKind::kObject:
      break;
  }
  return value;
}

}  // namespace

Value copy_value(const Value& value, const std::function<Array(const Array&)>& on_array) {
  return copy(value, on_array, 0);
}

Value copy_value(const Value& value) {
  return copy(
      value, [](const Array& array) { return array; }, 0);
}

}  // namespace sconce::optim
