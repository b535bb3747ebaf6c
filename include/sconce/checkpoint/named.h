// The names of the arrays in a tree: dict keys and list indices joined with dots.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sconce/state/value.h"

namespace sconce::checkpoint {

// A leaf and how to reach it.
struct NamedLeaf {
  std::string name;         // model.conv1.weight; empty for a bare array
  std::vector<Value> path;  // keys and indices, exactly: two leaves may have one name, never one path
  Value value;
};

struct NamedLimits {
  // Of values, counted every time they are reached; a list of plain values is one. Error kLimit
  std::uint64_t visits = 10'000'000;
  // Of all names and paths together, with what keeps them; room for a quarter of a million tensors. Error
  // kLimit
  std::uint64_t name_bytes = std::uint64_t{64} << 20;
};

// Every dense and sparse array in `root`, depth first in order, through dicts, lists, tuples and the parts of
// inert objects. An array that is reached twice is listed twice; a container is not entered within itself. A
// pickled module counts as the dict that its state_dict() would be: net.conv1.weight, with the path "net",
// "conv1.weight".
std::vector<NamedLeaf> named_arrays(const Value& root, const NamedLimits& limits = {});

// The inert objects, the same way; of a pickled module itself and the modules in it.
std::vector<NamedLeaf> named_objects(const Value& root, const NamedLimits& limits = {});

// The leaves that are no arrays: numbers, strings, None, bytes, inert objects but modules, and lists, tuples
// and sets of plain values (PlainSequences), each of which is one leaf.
std::vector<NamedLeaf> named_scalars(const Value& root, const NamedLimits& limits = {});

// Text of a key in a dotted name: a str as it is, an int in decimal, others as Python prints them.
std::string key_name(const Value& key);

}  // namespace sconce::checkpoint
