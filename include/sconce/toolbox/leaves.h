// Walking everything a checkpoint holds.
#pragma once

#include <functional>
#include <span>

#include "sconce/checkpoint/named.h"

namespace sconce::toolbox {

// Calls visit(leaf) for everything in `root` that is not made of parts, tensors among it, depth first in
// order, with its dotted name and exact path. Lists and tuples of plain values are one leaf, and so are empty
// containers and unknown objects; a pickled module counts as its state_dict. A container within itself is a
// leaf there. Error kLimit after ten million values.
void for_each_leaf(const Value& root, const std::function<void(const checkpoint::NamedLeaf& leaf)>& visit);

// The same with the containers that lead to the leaf, `root` first: holders[i] holds path[i].
void for_each_leaf(
    const Value& root,
    const std::function<void(const checkpoint::NamedLeaf& leaf, std::span<const Value> holders)>& visit);
// The same, and enter(container) for every container before what is in it.
void for_each_leaf(const Value& root, const std::function<void(const checkpoint::NamedLeaf& leaf)>& visit,
                   const std::function<void(const checkpoint::NamedLeaf& container)>& enter);

}  // namespace sconce::toolbox
