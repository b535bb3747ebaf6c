#include "sconce/toolbox/state_dict_place.h"

#include <algorithm>
#include <array>

#include "sconce/base/error.h"
#include "sconce/state/state_dict.h"
#include "sconce/toolbox/key_names.h"
#include "sconce/toolbox/leaves.h"

namespace sconce::toolbox {
namespace {

bool holds_tensors(const Value& value) {
  if (!value.is_dict() || is_optimizer_state(value)) return false;
  const auto items = value.items();
  return std::any_of(items.begin(), items.end(), [](const Value::Pair& item) {
    return item.second.is_array() || item.second.is_sparse();
  });
}

StateDictPlace by_name(const Value& root, const std::string& key, const checkpoint::NamedLimits& limits) {
  StateDictPlace out;
  bool is_found = false;
  std::vector<std::string> names;
  const auto consider = [&](const checkpoint::NamedLeaf& leaf) {
    if (!leaf.value.is_dict()) return;
    if (holds_tensors(leaf.value)) names.push_back(leaf.name);
    if (leaf.name != key || is_found) return;
    out = {leaf.value, leaf.path, leaf.name};
    is_found = true;
  };
  for_each_leaf(root, limits, consider, consider);
  if (is_found) return out;
  std::string known;
  for (const std::string& name : names) {
    if (!name.empty()) known += cat(known.empty() ? "" : ", ", escaped(name));
  }
  fail(ErrorCode::kNotFound, "state_dict", "no dict '", escaped(key),
       "'; dicts with tensors: ", known.empty() ? "the file itself" : known);
}

}  // namespace

bool is_optimizer_state(const Value& value) {
  return value.is_dict() && value.contains("state") && value.contains("param_groups");
}

StateDictPlace find_state_dict(const Value& root, const std::string& key,
                               const checkpoint::NamedLimits& limits) {
  if (!key.empty()) return by_name(root, key, limits);
  require(root.is_dict(), ErrorCode::kUnsupported, "state_dict", "expected a dict of tensors, found ",
          value_kind_name(root.kind()));
  StateDictPlace at{root, {}, ""};
  while (!holds_tensors(at.dict)) {
    std::vector<Value::Pair> next;
    for (const auto& [name, value] : at.dict.items()) {
      if (name.is_string() && is_usual_container(name.as_string()) && value.is_dict())
        next.emplace_back(name, value);
    }
    if (next.empty()) return at;
    if (next.size() > 1) {
      std::string names;
      for (const auto& [name, value] : next)
        names += cat(names.empty() ? "" : ", ", escaped(checkpoint::key_name(name)));
      fail(ErrorCode::kUnsupported, "state_dict", "the file has several state_dicts: ", names,
           "; say which one with --state-dict");
    }
    at.name += cat(at.name.empty() ? "" : ".", checkpoint::key_name(next.front().first));
    at.path.push_back(next.front().first);
    at.dict = next.front().second;
  }
  return at;
}

}  // namespace sconce::toolbox
