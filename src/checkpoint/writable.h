// Which objects may be written back.
#pragma once

#include <string_view>
#include <unordered_map>

#include "checkpoint/torch_names.h"
#include "sconce/checkpoint/walk_budget.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

// Decides for the objects of one file. An object may be written when its whole making is harmless: every
// global it needs is trusted, every call among its arguments is one of a fixed list, with arguments and what
// follows the call (state, items) of the form Python itself writes. That a class is harmless to name does not
// make it harmless to call: numpy takes lengths and dtypes as they come, torch.Tensor takes storage.
class Writability {
 public:
  // Below `least` nothing is written.
  Writability(Trust least, const NamedLimits& limits) : least_(least), budget_(limits) {}
  // Error kLimit.
  bool operator()(const Value& object);

 private:
  Trust least_;
  WalkBudget budget_;
  std::unordered_map<const void*, bool> known_;
};

// True for a name that Python looks up by itself ("__class__", "__reduce_ex__"): never set from a file.
bool is_special_name(std::string_view name);

}  // namespace sconce::checkpoint
