// The memo of a pickle: what PUT stored under a number and GET brings back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace sconce::pickle::detail {

// Integer -> value. Indices usually count up from 0; a table holds those, a map the strays, so that a few
// large indices cannot make the table large.
template <class Slot>
class Memo {
 public:
  static constexpr Slot kNothing = static_cast<Slot>(-1);
  static constexpr std::uint64_t kEntryBytes = 48;

  // `is_new`: get() has nothing.
  void put(std::uint64_t index, Slot value, bool is_new) {
    constexpr std::size_t kGap = 1024;
    if (is_new) ++count_;
    if (index == dense_.size()) {
      dense_.push_back(value);
    } else if (index < 2 * count_ + kGap) {
      if (index > dense_.size()) dense_.resize(index + 1, kNothing);
      dense_[index] = value;
    } else {
      sparse_[index] = value;
    }
  }
  // kNothing where nothing was put.
  Slot get(std::uint64_t index) const {
    if (index < dense_.size() && dense_[index] != kNothing) return dense_[index];
    if (sparse_.empty()) return kNothing;
    const auto at = sparse_.find(index);
    return at == sparse_.end() ? kNothing : at->second;
  }
  std::uint64_t count() const { return count_; }
  std::size_t strays() const { return sparse_.size(); }

 private:
  std::vector<Slot> dense_;
  std::unordered_map<std::uint64_t, Slot> sparse_;
  std::uint64_t count_ = 0;
};

}  // namespace sconce::pickle::detail
