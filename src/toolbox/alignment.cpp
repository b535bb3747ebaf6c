#include "sconce/toolbox/alignment.h"

#include <algorithm>
#include <cstdint>

namespace sconce::toolbox {
namespace {

constexpr std::size_t kMostCells = 25'000'000;

// Lengths of longest common subsequences, of prefixes or of suffixes.
class Lengths {
 public:
  Lengths(std::size_t rows, std::size_t columns)
      : columns_(columns + 1), cells_((rows + 1) * (columns + 1)) {}
  std::uint32_t& at(std::size_t row, std::size_t column) { return cells_[row * columns_ + column]; }
  std::uint32_t at(std::size_t row, std::size_t column) const { return cells_[row * columns_ + column]; }

 private:
  std::size_t columns_;
  std::vector<std::uint32_t> cells_;
};

}  // namespace

std::vector<std::pair<std::size_t, std::size_t>> forced_pairs(const std::vector<std::size_t>& a,
                                                              const std::vector<std::size_t>& b) {
  if (a.empty() || b.empty() || a.size() > kMostCells / b.size()) return {};
  Lengths before(a.size(), b.size());
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      before.at(i, j) = a[i - 1] == b[j - 1] ? before.at(i - 1, j - 1) + 1
                                             : std::max(before.at(i - 1, j), before.at(i, j - 1));
    }
  }
  Lengths after(a.size(), b.size());
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      after.at(i, j) =
          a[i] == b[j] ? after.at(i + 1, j + 1) + 1 : std::max(after.at(i + 1, j), after.at(i, j + 1));
    }
  }
  // Every longest subsequence has one pair of each rank; a rank for which only one pair serves is settled.
  const std::uint32_t length = before.at(a.size(), b.size());
  std::vector<std::pair<std::size_t, std::size_t>> only(length);
  std::vector<std::uint32_t> count(length);
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::uint32_t rank = before.at(i, j);
      if (a[i] != b[j] || rank + 1 + after.at(i + 1, j + 1) != length) continue;
      ++count[rank];
      only[rank] = {i, j};
    }
  }
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (std::uint32_t rank = 0; rank < length; ++rank) {
    if (count[rank] == 1) out.push_back(only[rank]);
  }
  return out;
}

}  // namespace sconce::toolbox
