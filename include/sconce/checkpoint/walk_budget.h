// What walking a tree may cost: values in a file are a graph, and the tree it unfolds to may be endless.
#pragma once

#include <cstdint>

#include "sconce/base/error.h"
#include "sconce/checkpoint/named.h"

namespace sconce::checkpoint {

class WalkBudget {
 public:
  explicit WalkBudget(const NamedLimits& limits) : limits_(limits) {}

  // One more value is reached. Error kLimit.
  void visit() {
    require_limit(++visits_ <= limits_.visits, "values", "checkpoint", "more than ", limits_.visits,
                  " values are reached when the tree is walked");
  }
  // A name of so many bytes and a path of so many keys is kept. Error kLimit.
  void keep(std::size_t name, std::size_t path) {
    name_bytes_ += sizeof(NamedLeaf) + name + path * sizeof(Value);
    require_limit(name_bytes_ <= limits_.name_bytes, "names", "checkpoint",
                  "the names in the tree need more than ", limits_.name_bytes, " bytes");
  }
  // The same of a name that a file may hold once for many copies; short ones are in proportion to the rest.
  void keep_long(std::size_t name) {
    constexpr std::size_t kShortName = 256;
    if (name > kShortName) keep(name, 0);
  }

 private:
  NamedLimits limits_;
  std::uint64_t visits_ = 0;
  std::uint64_t name_bytes_ = 0;
};

}  // namespace sconce::checkpoint
