// Where in a checkpoint the model's state_dict stands.
#pragma once

#include <string>
#include <vector>

#include "sconce/checkpoint/named.h"
#include "sconce/state/value.h"

namespace sconce::toolbox {

struct StateDictPlace {
  Value dict;               // the dict itself
  std::vector<Value> path;  // the keys that lead to it; empty for the whole file
  std::string name;         // dotted; empty for the whole file
};

// The dict named `key` (dotted), or without one: below `state_dict`, `model`, `model_state_dict`, `net`,
// `network`, ... when the file has one of these, else the whole file. Errors: kNotFound, naming the dicts
// there are; kUnsupported when the file holds no dict or two that it might be; kLimit.
StateDictPlace find_state_dict(const Value& root, const std::string& key = "",
                               const checkpoint::NamedLimits& limits = {});

// True for what an optimizer saves: a dict with `state` and `param_groups`.
bool is_optimizer_state(const Value& value);

}  // namespace sconce::toolbox
