// Lists of numbers and the like, of which walks over a tree make one leaf.
#pragma once

#include <unordered_map>

#include "sconce/state/value.h"

namespace sconce::checkpoint {

// Tells of the values of one tree which are lists, tuples and sets of plain values: not empty, without
// tensors, objects and containers that hold anything. A long one is looked through once, however often it is
// met.
class PlainSequences {
 public:
  bool operator()(const Value& value);

 private:
  std::unordered_map<const void*, bool> known_;  // the long ones
};

}  // namespace sconce::checkpoint
