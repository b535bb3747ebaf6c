// Matching the layers of two trees, from the top down.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "sconce/toolbox/key_match.h"
#include "toolbox/key_tree.h"

namespace sconce::toolbox {

struct MatchedPair {
  std::size_t source = 0;
  std::size_t target = 0;
  MatchRule rule = MatchRule::kExact;
};

struct LayerMatches {
  std::vector<MatchedPair> pairs;       // of keys with equal shapes
  std::vector<MatchedPair> mismatched;  // the names agree, the shapes do not
  // Layers (nodes) of the target and those of the source that might be meant.
  std::vector<std::pair<std::size_t, std::vector<std::size_t>>> ambiguous;
};

// Matches what lies below two nodes that are taken for the same thing.
LayerMatches match_layers(KeyTree& sources, std::size_t source_root, KeyTree& targets,
                          std::size_t target_root, bool order_known);

}  // namespace sconce::toolbox
