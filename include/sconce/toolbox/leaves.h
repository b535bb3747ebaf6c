// Walking everything a checkpoint holds.
#pragma once

#include <functional>
#include <span>

#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/named.h"

namespace sconce::toolbox {

using VisitLeaf = std::function<void(const checkpoint::NamedLeaf& leaf)>;
using VisitHeldLeaf = std::function<void(const checkpoint::NamedLeaf& leaf, std::span<const Value> holders)>;

// Calls visit(leaf) for everything in `root` that is not made of parts, tensors among it, depth first in
// order, with its dotted name and exact path. Lists and tuples of plain values are one leaf, and so are empty
// containers and unknown objects; a pickled module counts as its state_dict. A container within itself is a
// leaf there. With `enter`, calls enter(container) for every container before what is in it. Error kLimit.
void for_each_leaf(const Value& root, const checkpoint::NamedLimits& limits, const VisitLeaf& visit,
                   const VisitLeaf& enter = {});
// The same with the containers that lead to the leaf, `root` first: holders[i] holds path[i].
void for_each_leaf(const Value& root, const checkpoint::NamedLimits& limits, const VisitHeldLeaf& visit);
// The same of a listing's tree, within its limits; errors name its file.
void for_each_leaf(const checkpoint::Listing& listing, const VisitLeaf& visit, const VisitLeaf& enter = {});

}  // namespace sconce::toolbox
