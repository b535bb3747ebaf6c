#include "state/value_graph.h"

namespace sconce {

using namespace detail;  // NOLINT(google-build-using-namespace): Value is the face of detail's nodes

namespace {

const ObjectParts& parts_of(const ValueNode& node) {
  return *std::get<std::unique_ptr<ObjectParts>>(node.payload);
}
ObjectParts& parts_of(ValueNode& node) { return *std::get<std::unique_ptr<ObjectParts>>(node.payload); }

// The global an object was made with: itself, or its callable when that is a plain global.
const ObjectParts* global_of(const ValueNode& node) {
  const ObjectParts& parts = parts_of(node);
  if (parts.kind == ObjectKind::kGlobal) return &parts;
  if (parts.callable == nullptr || parts.callable->kind != ValueKind::kObject) return nullptr;
  const ObjectParts& callable = parts_of(*parts.callable);
  return callable.kind == ObjectKind::kGlobal ? &callable : nullptr;
}

}  // namespace

Value Value::global(std::string_view module, std::string_view name) {
  return ValueArena().global(module, name);
}

Value Value::object(ObjectKind kind, const Value& callable, const Value& args, const Value& kwargs) {
  return ValueArena().object(kind, callable, args, kwargs);
}

ObjectKind Value::object_kind() const { return parts_of(expect(ValueKind::kObject)).kind; }

std::string Value::global_module() const {
  const ObjectParts* global = global_of(expect(ValueKind::kObject));
  return global == nullptr ? "" : global->module;
}

std::string Value::global_name() const {
  const ObjectParts* global = global_of(expect(ValueKind::kObject));
  return global == nullptr ? "" : global->name;
}

Value Value::object_callable() const {
  const ObjectParts& parts = parts_of(expect(ValueKind::kObject));
  return parts.callable == nullptr ? Value() : handle(parts.callable);
}
Value Value::object_args() const {
  const ObjectParts& parts = parts_of(expect(ValueKind::kObject));
  return parts.args == nullptr ? Value() : handle(parts.args);
}
Value Value::object_kwargs() const {
  const ObjectParts& parts = parts_of(expect(ValueKind::kObject));
  return parts.kwargs == nullptr ? Value() : handle(parts.kwargs);
}

std::vector<Value> Value::object_elements() const {
  std::vector<Value> out;
  for (ValueNode* node : parts_of(expect(ValueKind::kObject)).elements) out.push_back(handle(node));
  return out;
}
std::vector<Value::Pair> Value::object_items() const {
  std::vector<Pair> out;
  for (const auto& [key, value] : parts_of(expect(ValueKind::kObject)).items) {
    out.emplace_back(handle(key), handle(value));
  }
  return out;
}
std::vector<Value> Value::object_states() const {
  std::vector<Value> out;
  for (ValueNode* node : parts_of(expect(ValueKind::kObject)).states) out.push_back(handle(node));
  return out;
}

void Value::add_object_element(const Value& element) {
  parts_of(expect(ValueKind::kObject)).elements.push_back(adopt(element));
}
void Value::add_object_item(const Value& key, const Value& value) {
  ValueNode* added_key = adopt(key);
  parts_of(expect(ValueKind::kObject)).items.emplace_back(added_key, adopt(value));
}
void Value::add_object_state(const Value& state) {
  parts_of(expect(ValueKind::kObject)).states.push_back(adopt(state));
}

}  // namespace sconce
