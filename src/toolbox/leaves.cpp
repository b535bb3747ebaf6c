#include "sconce/toolbox/leaves.h"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include "sconce/base/error.h"
#include "sconce/checkpoint/recover.h"

namespace sconce::toolbox {
namespace {

constexpr std::size_t kMostValues = 4'000'000;
constexpr std::size_t kMostNameBytes = std::size_t{64} << 20;  // of all names and paths

bool is_container(const Value& value) { return value.is_list() || value.is_tuple() || value.is_dict(); }

// A list of plain values says more in one line than in many.
bool is_walked(const Value& value) {
  if (checkpoint::is_module(value)) return true;
  if (!is_container(value) || value.size() == 0) return false;
  if (value.is_dict()) return true;
  const auto elements = value.elements();
  return std::any_of(elements.begin(), elements.end(), [](const Value& element) {
    return (is_container(element) && element.size() > 0) || element.is_array() || element.is_sparse() ||
           element.is_object();
  });
}

// A container being walked and where the walk stands in it.
struct Level {
  Value container;
  std::vector<Value::Pair> entries;  // key or index, value
  std::size_t next = 0;
  std::size_t name_length = 0;  // of the container's own dotted name
};

Level level_of(const Value& container, std::size_t name_length) {
  Level level{container, {}, 0, name_length};
  if (container.is_dict()) {
    level.entries = container.items();
    return level;
  }
  if (container.is_object()) {
    for (auto& [name, value] : checkpoint::module_state(container).entries) {
      level.entries.emplace_back(Value(name), std::move(value));
    }
    return level;
  }
  std::int64_t position = 0;
  for (const Value& element : container.elements()) level.entries.emplace_back(position++, element);
  return level;
}

void walk(const Value& root,
          const std::function<void(const checkpoint::NamedLeaf&, std::span<const Value>)>& visit,
          const std::function<void(const checkpoint::NamedLeaf&)>& enter) {
  checkpoint::NamedLeaf leaf;
  std::vector<Value> holders;
  std::vector<Level> levels;
  std::unordered_set<const void*> entered;
  std::size_t visited = 0;
  std::size_t name_bytes = 0;
  const auto reach = [&](const Value& value) {
    require(++visited <= kMostValues, ErrorCode::kLimit, "checkpoint", "more than ", kMostValues,
            " values to list");
    leaf.value = value;
    const bool is_level = is_walked(value) && entered.insert(value.id()).second;
    if (!is_level || enter) {
      name_bytes += leaf.name.size() + leaf.path.size() * sizeof(Value);
      require(name_bytes <= kMostNameBytes, ErrorCode::kLimit, "checkpoint",
              "the names in the tree need more than ", kMostNameBytes, " bytes");
    }
    if (is_level) {
      if (enter) enter(leaf);
      levels.push_back(level_of(value, leaf.name.size()));
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

void for_each_leaf(const Value& root, const std::function<void(const checkpoint::NamedLeaf&)>& visit) {
  walk(root, [&visit](const checkpoint::NamedLeaf& leaf, std::span<const Value>) { visit(leaf); }, {});
}

void for_each_leaf(const Value& root,
                   const std::function<void(const checkpoint::NamedLeaf&, std::span<const Value>)>& visit) {
  walk(root, visit, {});
}

void for_each_leaf(const Value& root, const std::function<void(const checkpoint::NamedLeaf&)>& visit,
                   const std::function<void(const checkpoint::NamedLeaf&)>& enter) {
  walk(
      root, [&visit](const checkpoint::NamedLeaf& leaf, std::span<const Value>) { visit(leaf); }, enter);
}

}  // namespace sconce::toolbox
