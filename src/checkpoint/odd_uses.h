// Trusted globals used in ways that are not harmless after all.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "sconce/codec/pickle.h"

namespace sconce::checkpoint {

struct OddUse {
  std::size_t global = 0;  // index in Graph::globals()
  std::string_view why;
};

// What the table of torch_trust.cpp cannot see, because it looks at names only.
std::vector<OddUse> odd_uses(const pickle::Graph& graph);

}  // namespace sconce::checkpoint
