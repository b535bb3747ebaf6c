// Finding what a person names in a checkpoint.
#pragma once

#include <string>
#include <vector>

#include "sconce/checkpoint/named.h"

namespace sconce::toolbox {

// Everything that has this dotted name: tensors first, then other leaves, then containers. Error kNotFound
// names the nearest.
std::vector<checkpoint::NamedLeaf> find_named(const Value& root, const std::string& name,
                                              const checkpoint::NamedLimits& limits = {});

}  // namespace sconce::toolbox
