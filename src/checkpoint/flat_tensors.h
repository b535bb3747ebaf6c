// A tree of values as formats see it that hold nothing but dense tensors with names.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/checkpoint/save.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

struct FlatTensor {
  std::string name;  // dotted
  Array array;
};

// The dense arrays of a tree, in order. Errors: kUnsupported for a sparse one and for two of one name,
// kInvalidArgument for an undefined one, kLimit. `format` is for messages.
std::vector<FlatTensor> flat_tensors(const Value& value, std::string_view format, const NamedLimits& limits);

// A warning for every leaf that is not a tensor, and for every storage, which becomes one.
void note_other_leaves(const Value& value, std::string_view format, const NamedLimits& limits,
                       SaveReport& report);

// Of every tensor that is the same elements of the same memory as an earlier one, both positions.
std::map<std::size_t, std::size_t> duplicates(const std::vector<FlatTensor>& tensors);

// Pairs of tensors that touch the same bytes, as positions in `tensors`: every tensor that overlaps an
// earlier one of its storage stands in at least one pair.
std::vector<std::pair<std::size_t, std::size_t>> overlapping(const std::vector<FlatTensor>& tensors);

}  // namespace sconce::checkpoint
