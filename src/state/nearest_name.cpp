#include <algorithm>
#include <numeric>

#include "sconce/state/edit_distance.h"
#include "sconce/state/state_dict.h"

namespace sconce {

// Two rows of the table are enough.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::size_t common_components(std::string_view a, std::string_view b) {
  std::size_t count = 0;
  std::size_t i = a.size();
  std::size_t j = b.size();
  while (i > 0 && j > 0 && a[i - 1] == b[j - 1]) {
    --i;
    --j;
    const bool boundary_a = i == 0 || a[i - 1] == '.';
    const bool boundary_b = j == 0 || b[j - 1] == '.';
    if (boundary_a && boundary_b) ++count;
  }
  return count;
}

namespace {

constexpr std::size_t kLongestName = 1024;  // beyond it a distance costs more than the hint is worth

}  // namespace

std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kLongestName) return std::nullopt;
  const std::string* best = nullptr;
  std::size_t best_common = 0;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestName) continue;
    const std::size_t common = common_components(name, candidate);
    if (best != nullptr && common < best_common) continue;
    const std::size_t distance = edit_distance(name, candidate);
    // Two shared components ("fc1.weight") make a name near; otherwise at most a third may differ.
    const bool is_near = common >= 2 || 3 * distance <= std::max(name.size(), candidate.size());
    if (!is_near) continue;
    if (best == nullptr || common > best_common || distance < best_distance) {
      best = &candidate;
      best_common = common;
      best_distance = distance;
    }
  }
  if (best == nullptr) return std::nullopt;
  return *best;
}

}  // namespace sconce
