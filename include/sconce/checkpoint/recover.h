// The state_dicts of whole pickled modules (`torch.save(model)`), found without their classes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sconce/checkpoint/named.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

// True for a pickled nn.Module of any class: an object whose state holds `_parameters` and `_modules`.
bool is_module(const Value& value);

// What a pickled module's state_dict() holds, under its names and in its order.
struct ModuleState {
  using Named = std::pair<std::string, Value>;
  std::vector<Named>
      entries;  // parameters and persistent buffers as they were pickled; tied ones under each name
  std::vector<Named> modules;      // every module under its prefix without the final dot, itself ("") first
  std::vector<std::string> notes;  // what a state_dict() may hold that could not be found
};

// Errors: kCorrupt for a module within itself; kLimit.
ModuleState module_state(const Value& module, const NamedLimits& limits = {});

struct Recovery {
  Value value;
  std::vector<std::string> notes;
};

// `root` with every pickled module in its dicts, lists and tuples replaced by its state_dict: an OrderedDict
// of detached tensors with `_metadata`, which torch.load(weights_only=True) takes. What is not replaced stays
// shared with `root`, which does not change; a module reached twice becomes one state_dict. Modules inside
// other objects stay where they are. A note tells of tensors that are parts of DTensors, too: only what one
// rank held is in the file. Errors as module_state().
Recovery recover_modules(const Value& root, const NamedLimits& limits = {});

}  // namespace sconce::checkpoint
