#include <algorithm>
#include <type_traits>

#include "state/value_graph.h"

namespace sconce {

using namespace detail;  // NOLINT(google-build-using-namespace): Value is the face of detail's nodes

namespace {

// Calls visit(node&) for the places where only None can stand instead of a part, and visit_pairs(pairs&)
// where a part can go without leaving a hole.
template <class Node, class Visit, class VisitPairs>
void for_each_part(Node& node, Visit visit, VisitPairs visit_pairs) {
  if (auto* sequence = std::get_if<Sequence>(&node.payload)) {
    for (auto& element : sequence->elements) visit(element);
  } else if (auto* mapping = std::get_if<Mapping>(&node.payload)) {
    visit_pairs(mapping->entries);
  } else if (auto* object = std::get_if<std::unique_ptr<ObjectParts>>(&node.payload)) {
    auto& parts = **object;
    for (ValueNode** part : {&parts.callable, &parts.args, &parts.kwargs}) {
      if (*part != nullptr) visit(*part);
    }
    for (auto& element : parts.elements) visit(element);
    visit_pairs(parts.items);
    for (auto& state : parts.states) visit(state);
  }
  if (node.attributes) visit_pairs(*node.attributes);
}

}  // namespace

bool Value::drop_parts(const std::function<bool(const Value&)>& is_dropped) {
  const auto drops = [&](ValueNode* node) { return is_dropped(handle(node)); };
  ValueNode* none = nullptr;
  bool found = false;
  for_each_part(
      *node_,
      [&](ValueNode*& part) {
        if (!drops(part)) return;
        if (none == nullptr) none = root_of(graph_)->make(ValueKind::kNone);
        part = none;
        found = true;
      },
      [&](auto& pairs) {
        const auto end = std::remove_if(pairs.begin(), pairs.end(), [&](const auto& pair) {
          if constexpr (std::is_same_v<std::decay_t<decltype(pair.first)>, ValueNode*>) {
            if (drops(pair.first)) return true;
          }
          return drops(pair.second);
        });
        found = found || end != pairs.end();
        pairs.erase(end, pairs.end());
      });
  if (!found) return false;
  if (auto* mapping = std::get_if<Mapping>(&node_->payload)) rebuild_index(*mapping);
  if (is_set()) {  // has no places to keep
    auto& set = std::get<Sequence>(node_->payload);
    set.elements.erase(std::remove(set.elements.begin(), set.elements.end(), none), set.elements.end());
    set.members.emplace();
    for (const ValueNode* element : set.elements) set.members->insert(key_text(*element));
  }
  return true;
}

std::vector<Value> Value::parts() const {
  std::vector<Value> out;
  for_each_part(
      *node_, [&](ValueNode* part) { out.push_back(handle(part)); },
      [&](const auto& pairs) {
        for (const auto& pair : pairs) out.push_back(handle(pair.second));
      });
  return out;
}

}  // namespace sconce
