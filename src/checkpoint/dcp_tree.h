// Nested state_dicts and the flat ones that torch.distributed.checkpoint stores (formats.md G.2).
#pragma once

#include <string>
#include <vector>

#include "checkpoint/dcp_metadata.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint::dcp {

// Makes keys of an optimizer's `state` ints again: the flat form has them as str. An optimizer is a dict with
// `param_groups` beside `state`; its keys must all be decimal numbers. Returns how many dicts were changed.
std::size_t restore_int_keys(std::vector<Item>& items);

// The nested dict of values[i] at items[i].path. Lists that miss an index have None there, as in PyTorch,
// with a note. Errors: kCorrupt for paths that contradict each other, kLimit for an index far beyond the
// items.
Value nested(const std::vector<Item>& items, const std::vector<Value>& values,
             std::vector<std::string>& notes);

// A leaf of a nested dict, named and reached as PyTorch would.
struct FlatLeaf {
  std::string name;
  std::vector<Value> path;
  Value value;
};

// The leaves of a dict: dicts are entered, with their keys as str, and lists that hold a dict or a tensor, at
// any depth of lists; everything else is a leaf. What the form cannot keep gets a warning. Errors:
// kUnsupported (not a dict, two leaves of one name, a container within itself), kLimit.
std::vector<FlatLeaf> flattened(const Value& root, const NamedLimits& limits, SaveReport& report);

}  // namespace sconce::checkpoint::dcp
