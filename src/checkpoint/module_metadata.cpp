#include "sconce/checkpoint/module_metadata.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "sconce/base/text.h"

namespace sconce::checkpoint {
namespace {

bool is_version(const Value::Pair& entry) {
  return entry.first.is_string() && entry.first.as_string() == "version" && entry.second.is_int();
}

// {"": {"version": 1}, "bn": {"version": 2}}
bool has_versions_only(const Value& metadata) {
  if (!metadata.is_dict()) return false;
  const auto modules = metadata.items();
  return std::all_of(modules.begin(), modules.end(), [](const Value::Pair& module) {
    if (!module.second.is_dict()) return false;
    const auto entries = module.second.items();
    return std::all_of(entries.begin(), entries.end(), is_version);
  });
}

// How many dicts within `root`, each counted once, have a `_metadata` of more than versions.
std::size_t count_telling(const Value& root, bool keeps_root) {
  std::size_t out = 0;
  std::vector<Value> open{root};
  std::unordered_set<const void*> seen;
  while (!open.empty()) {
    const Value value = open.back();
    open.pop_back();
    if (!value.is_dict() && !value.is_list() && !value.is_tuple()) continue;
    if (!seen.insert(value.id()).second) continue;
    if (!value.is_dict()) {
      for (const Value& element : value.elements()) open.push_back(element);
      continue;
    }
    const auto metadata = value.attribute("_metadata");
    const bool is_kept = keeps_root && value.is(root);
    if (metadata && !is_kept && !has_versions_only(*metadata)) ++out;
    for (const auto& [key, each] : value.items()) open.push_back(each);
  }
  return out;
}

}  // namespace

std::optional<std::string> lost_metadata_warning(const Value& root, std::string_view holder,
                                                 bool keeps_root) {
  const std::size_t count = count_telling(root, keeps_root);
  if (count == 0) return std::nullopt;
  return cat("left out the _metadata of ", count, " state_dict", count == 1 ? "" : "s", ": ", holder,
             " has no place for it");
}

}  // namespace sconce::checkpoint
