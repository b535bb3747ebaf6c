// Bringing two sequences into line.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace sconce::toolbox {

// The pairs (index in a, index in b) that belong to every longest common subsequence of the two: what order
// and equality prove. Where a longest one could also be had otherwise (a of {x, x} in {x}), that part is left
// out. Takes a.size() * b.size() steps; nothing is found when that is more than 25 million.
std::vector<std::pair<std::size_t, std::size_t>> forced_pairs(const std::vector<std::size_t>& a,
                                                              const std::vector<std::size_t>& b);

}  // namespace sconce::toolbox
