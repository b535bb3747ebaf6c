#include "toolbox/renamed_path.h"

#include "sconce/base/text.h"
#include "sconce/checkpoint/named.h"

namespace sconce::toolbox {
namespace {

// Takes `key` and its dot from one end of `name`; false when it does not stand there as a whole.
bool take_first(std::string_view& name, const std::string& key) {
  if (!name.starts_with(key) || name.size() <= key.size() || name[key.size()] != '.') return false;
  name.remove_prefix(key.size() + 1);
  return true;
}

bool take_last(std::string_view& name, const std::string& key) {
  if (name == key) {
    name = {};
    return true;
  }
  if (!name.ends_with(key) || name[name.size() - key.size() - 1] != '.') return false;
  name.remove_suffix(key.size() + 1);
  return true;
}

}  // namespace

std::vector<NewStep> renamed_path(const std::vector<Value>& path, std::string_view name) {
  std::vector<NewStep> out;
  std::size_t left = 0;
  while (left + 1 < path.size() && take_first(name, checkpoint::key_name(path[left]))) {
    out.push_back({path[left], left});
    ++left;
  }
  std::size_t right = path.size();
  bool is_used_up = false;
  while (right > left && !is_used_up && take_last(name, checkpoint::key_name(path[right - 1]))) {
    --right;
    is_used_up = name.empty();
  }
  std::string between(name);
  const bool has_new_key = right == path.size() || (right > left && !between.empty());
  if (has_new_key) out.push_back({Value(between), left, true});
  for (std::size_t i = right; i < path.size(); ++i) {
    const bool is_first = i == right && !has_new_key;
    const bool is_moved = is_first && right > left;  // a level between is gone
    const bool is_longer = is_first && right == left && !between.empty();
    const Value key = is_longer ? Value(cat(between, ".", checkpoint::key_name(path[i]))) : path[i];
    out.push_back({key, is_moved ? left : i, is_moved || is_longer});
  }
  return out;
}

}  // namespace sconce::toolbox
