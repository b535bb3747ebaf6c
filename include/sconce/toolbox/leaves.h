// Walking everything a checkpoint holds.
#pragma once

#include <functional>

#include "sconce/checkpoint/named.h"

namespace sconce::toolbox {

// Calls visit(leaf) for everything in `root` that is not made of parts, tensors among it, depth first in
// order, with its dotted name and exact path. Lists and tuples of plain values are one leaf, and so are empty
// containers and unknown objects; a pickled module counts as its state_dict. A container within itself is a
// leaf there. Error kLimit after ten million values.
void for_each_leaf(const Value& root, const std::function<void(const checkpoint::NamedLeaf& leaf)>& visit);

}  // namespace sconce::toolbox
