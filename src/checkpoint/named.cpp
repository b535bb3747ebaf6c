#include "sconce/checkpoint/named.h"

#include <unordered_set>
#include <utility>

#include "checkpoint/module_state.h"
#include "sconce/checkpoint/plain_sequences.h"
#include "sconce/checkpoint/walk_budget.h"
#include "sconce/state/repr.h"

namespace sconce::checkpoint {
namespace {

using Children = std::vector<Value::Pair>;

void add_elements(Children& out, const std::vector<Value>& elements) {
  for (std::size_t i = 0; i < elements.size(); ++i) out.emplace_back(Value(i), elements[i]);
}

// What lies below a value, with the key or index of each.
Children children_of(const Value& value) {
  Children out;
  switch (value.kind()) {
    case ValueKind::kDict:
      return value.items();
    case ValueKind::kList:
    case ValueKind::kTuple:
    case ValueKind::kSet:
      add_elements(out, value.elements());
      return out;
    case ValueKind::kObject: {
      if (value.object_kind() == ObjectKind::kGlobal) return out;
      if (value.object_args().is_tuple()) add_elements(out, value.object_args().elements());
      add_elements(out, value.object_elements());
      for (auto& item : value.object_items()) out.push_back(std::move(item));
      // A state is the object's attributes, or attributes and slots.
      for (const Value& state : value.object_states()) {
        if (state.is_dict()) {
          for (auto& item : state.items()) out.push_back(std::move(item));
        } else if (state.is_tuple() || state.is_list()) {
          add_elements(out, state.elements());
        } else {
          out.emplace_back(Value("state"), state);
        }
      }
      return out;
    }
    default:
      return out;
  }
}

// A module as the dict that its state_dict would be.
Children state_dict_of(const Value& module, WalkBudget& budget) {
  Children out;
  for (auto& [name, value] : module_state_within(module, budget).entries) {
    out.emplace_back(Value(name), std::move(value));
  }
  return out;
}

// Every value for which wanted(value, is_plain) says so, where is_plain is what PlainSequences says. Below a
// module lies what below_module(module, budget) gives.
template <class Wanted, class BelowModule>
std::vector<NamedLeaf> walk(const Value& root, const NamedLimits& limits, Wanted wanted,
                            BelowModule below_module) {
  struct Frame {
    Value value;
    Children children;
    std::size_t next = 0;
    std::size_t name_size = 0;
    bool has_wanted = false;        // somewhere below
    bool is_cut = false;            // below it a container was left out that stands around it
    std::size_t first_pending = 0;  // where its part of `pending` begins
  };
  // Walked to the end without finding anything: what is shared a thousand times is looked into once.
  std::unordered_set<const void*> barren;
  // Those of them that were cut. They hold nothing as long as the containers around them stand, and ever
  // after if these hold nothing either.
  std::vector<const void*> pending;
  std::vector<NamedLeaf> out;
  std::vector<Frame> frames;
  std::vector<Value> path;
  std::string name;
  std::unordered_set<const void*> entered;
  WalkBudget budget(limits);
  PlainSequences plain;
  const auto enter = [&](const Value& value) {
    budget.visit();
    const bool is_plain = plain(value);
    if (wanted(value, is_plain)) {
      budget.keep(name.size(), path.size());
      out.push_back({name, path, value});
      if (!frames.empty()) frames.back().has_wanted = true;
    }
    if (is_plain || barren.count(value.id()) != 0) return false;
    Children children = is_module(value) ? below_module(value, budget) : children_of(value);
    if (children.empty()) return false;
    if (!entered.insert(value.id()).second) {
      frames.back().is_cut = true;
      return false;
    }
    Frame frame{value, std::move(children)};
    frame.name_size = name.size();
    frame.first_pending = pending.size();
    frames.push_back(std::move(frame));
    return true;
  };
  enter(root);
  while (!frames.empty()) {
    Frame& frame = frames.back();
    name.resize(frame.name_size);
    if (frame.next == frame.children.size()) {
      const bool has_wanted = frame.has_wanted;
      const bool is_cut = frame.is_cut;
      entered.erase(frame.value.id());
      if (has_wanted) {
        for (std::size_t i = frame.first_pending; i < pending.size(); ++i) barren.erase(pending[i]);
        pending.resize(frame.first_pending);
      } else {
        barren.insert(frame.value.id());
        if (is_cut) pending.push_back(frame.value.id());
      }
      frames.pop_back();
      if (!path.empty()) path.pop_back();
      if (!frames.empty()) {
        frames.back().has_wanted |= has_wanted;
        frames.back().is_cut |= is_cut;
      }
      continue;
    }
    const auto [key, value] = frame.children[frame.next++];
    if (!path.empty()) name += '.';
    name += key_name(key);
    path.push_back(key);
    if (!enter(value)) path.pop_back();
  }
  return out;
}

}  // namespace

std::vector<NamedLeaf> named_arrays(const Value& root, const NamedLimits& limits) {
  return walk(
      root, limits, [](const Value& value, bool) { return value.is_array() || value.is_sparse(); },
      state_dict_of);
}

std::vector<NamedLeaf> named_objects(const Value& root, const NamedLimits& limits) {
  return walk(
      root, limits, [](const Value& value, bool) { return value.is_object(); },
      [](const Value& module, WalkBudget&) { return child_modules(module); });
}

std::vector<NamedLeaf> named_scalars(const Value& root, const NamedLimits& limits) {
  const auto is_scalar = [](const Value& value, bool is_plain) {
    switch (value.kind()) {
      case ValueKind::kList:
      case ValueKind::kTuple:
      case ValueKind::kSet:
        return is_plain;
      case ValueKind::kDict:
      case ValueKind::kArray:
      case ValueKind::kSparse:
        return false;
      default:
        return !is_module(value);
    }
  };
  return walk(root, limits, is_scalar, state_dict_of);
}

std::string key_name(const Value& key) {
  switch (key.kind()) {
    case ValueKind::kString:
      return key.as_string();
    case ValueKind::kInt:
      return key.is_big_int() ? value_repr(key) : std::to_string(key.as_int());
    case ValueKind::kBool:
      return key.as_bool() ? "True" : "False";
    case ValueKind::kFloat:
      return cat(key.as_float());
    case ValueKind::kTuple: {
      std::string out = "(";
      for (const Value& element : key.elements()) {
        if (out.size() > 1) out += ", ";
        out += element.is_tuple() ? "(...)" : key_name(element);
      }
      return out + (key.size() == 1 ? ",)" : ")");
    }
    default:
      return std::string(value_kind_name(key.kind()));
  }
}

}  // namespace sconce::checkpoint
