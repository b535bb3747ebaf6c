// Parts of the recovery of modules that other walks over a tree need.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sconce/checkpoint/recover.h"
#include "sconce/checkpoint/walk_budget.h"

namespace sconce::checkpoint {

// module_state() at the expense of a walk that is under way.
ModuleState module_state_within(const Value& module, WalkBudget& budget);
// The objects that a pickled module registered as its own modules.
std::vector<Value::Pair> child_modules(const Value& module);
// As tensor.detach(): a tensor without gradient and attributes that is no Parameter.
Value detached(const Value& tensor, const ValueArena& arena);
// A module's entry in `_metadata`: a dict with its class's version.
Value local_metadata(const Value& module);
// What a hook of torch.nn.utils.spectral_norm adds to that entry; nullopt for every other hook.
std::optional<std::pair<std::string, Value>> spectral_norm_of(const Value& hook);

}  // namespace sconce::checkpoint
