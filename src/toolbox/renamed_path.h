// Where a value goes in a tree when its dotted name changes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/state/value.h"

namespace sconce::toolbox {

// One key of a new path, and the old container whose kind its holder has (an index into the old path).
struct NewStep {
  Value key;
  std::size_t holder = 0;
  bool is_changed = false;
};

// The keys for `name`, given the old ones. Keys whose text still stands at the beginning or the end of the
// name stay; those between them give way to one key with the rest of the name. A path that had no keys (the
// root itself) has its holder at index 0.
std::vector<NewStep> renamed_path(const std::vector<Value>& path, std::string_view name);

}  // namespace sconce::toolbox
