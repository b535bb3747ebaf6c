// The facts of many pickles that are mostly alike.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "sconce/checkpoint/pickle_facts.h"

namespace sconce::checkpoint {

// Keeps one of those that stand in the same record and name and need the same.
class DistinctFacts {
 public:
  void add(const std::string& record, const pickle::Graph& graph);
  const std::vector<PickleFacts>& all() const { return facts_; }

 private:
  std::vector<PickleFacts> facts_;
  std::unordered_set<std::string> seen_;
};

}  // namespace sconce::checkpoint
