// The memo of a pickle: what PUT stored under a number and GET brings back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "codec/pickle_arena.h"

namespace sconce::pickle::detail {

// Integer -> node. Indices usually count up from 0; a table holds those, a map the strays, so that a few
// large indices cannot make the table large.
class Memo {
 public:
  void put(std::uint64_t index, NodeId node) {
    constexpr std::size_t kGap = 1024;
    if (get(index) == kNoNode) ++count_;
    if (index < 2 * count_ + kGap) {
      if (index >= dense_.size()) dense_.resize(index + 1, kNoNode);
      dense_[index] = node;
    } else {
      sparse_[index] = node;
    }
  }
  // kNoNode where nothing was put.
  NodeId get(std::uint64_t index) const {
    if (index < dense_.size() && dense_[index] != kNoNode) return dense_[index];
    const auto at = sparse_.find(index);
    return at == sparse_.end() ? kNoNode : at->second;
  }
  std::uint64_t count() const { return count_; }

  static constexpr std::uint64_t kEntryBytes = 48;

 private:
  std::vector<NodeId> dense_;
  std::unordered_map<std::uint64_t, NodeId> sparse_;
  std::uint64_t count_ = 0;
};

}  // namespace sconce::pickle::detail
