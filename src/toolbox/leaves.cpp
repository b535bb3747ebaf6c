#include "sconce/toolbox/leaves.h"

#include <unordered_set>
#include <utility>
#include <vector>

#include "sconce/base/error.h"
#include "sconce/checkpoint/plain_sequences.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/checkpoint/walk_budget.h"

namespace sconce::toolbox {
namespace {

// A container being walked and where the walk stands in it.
struct Level {
  Value container;
  std::vector<Value::Pair> entries;  // key or index, value
  std::size_t next = 0;
  std::size_t name_length = 0;  // of the container's own dotted name
};

Level level_of(const Value& container, std::size_t name_length, const checkpoint::NamedLimits& limits) {
  Level level{container, {}, 0, name_length};
  if (container.is_dict()) {
    level.entries = container.items();
    return level;
  }
  if (container.is_object()) {
    for (auto& [name, value] : checkpoint::module_state(container, limits).entries) {
      level.entries.emplace_back(Value(name), std::move(value));
    }
    return level;
  }
  std::int64_t position = 0;
  for (const Value& element : container.elements()) level.entries.emplace_back(position++, element);
  return level;
}

void walk(const Value& root, const checkpoint::NamedLimits& limits, const VisitHeldLeaf& visit,
          const VisitLeaf& enter) {
  checkpoint::NamedLeaf leaf;
  std::vector<Value> holders;
  std::vector<Level> levels;
  std::unordered_set<const void*> entered;
  checkpoint::WalkBudget budget(limits);
  checkpoint::PlainSequences plain;
  // A list of plain values says more in one line than in many.
  const auto is_walked = [&](const Value& value) {
    if (checkpoint::is_module(value)) return true;
    const bool is_container = value.is_list() || value.is_tuple() || value.is_dict();
    return is_container && value.size() > 0 && !plain(value);
  };
  const auto reach = [&](const Value& value) {
    budget.visit();
    leaf.value = value;
    const bool is_level = is_walked(value) && entered.insert(value.id()).second;
    if (!is_level || enter) budget.keep(leaf.name.size(), leaf.path.size());
    if (is_level) {
      if (enter) enter(leaf);
      levels.push_back(level_of(value, leaf.name.size(), limits));
      holders.push_back(value);
    } else {
      visit(leaf, holders);
    }
  };
  reach(root);
  while (!levels.empty()) {
    Level& level = levels.back();
    leaf.name.resize(level.name_length);
    leaf.path.resize(levels.size() - 1);
    if (level.next == level.entries.size()) {
      entered.erase(level.container.id());
      levels.pop_back();
      holders.pop_back();
      continue;
    }
    const Value::Pair entry = level.entries[level.next++];
    if (levels.size() > 1) leaf.name += '.';
    leaf.name += checkpoint::key_name(entry.first);
    leaf.path.push_back(entry.first);
    reach(entry.second);
  }
}

}  // namespace

void for_each_leaf(const Value& root, const checkpoint::NamedLimits& limits, const VisitLeaf& visit,
                   const VisitLeaf& enter) {
  walk(
      root, limits, [&visit](const checkpoint::NamedLeaf& leaf, std::span<const Value>) { visit(leaf); },
      enter);
}

void for_each_leaf(const Value& root, const checkpoint::NamedLimits& limits, const VisitHeldLeaf& visit) {
  walk(root, limits, visit, {});
}

void for_each_leaf(const checkpoint::Listing& listing, const VisitLeaf& visit, const VisitLeaf& enter) {
  try {
    for_each_leaf(listing.tree, listing.walk, visit, enter);
  } catch (const Error& error) {
    throw error.in_file(listing.path);
  }
}

}  // namespace sconce::toolbox
