#include <algorithm>
#include <numeric>

#include "sconce/state/edit_distance.h"
#include "sconce/state/state_dict.h"
#include "state/nearest_names.h"

namespace sconce {

// One row of the table is enough, and of both names only what lies between what they share at the ends.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto shared = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + std::min(a.size(), b.size()), b.begin()).first - a.begin());
  a.remove_prefix(shared);
  b.remove_prefix(shared);
  while (!a.empty() && !b.empty() && a.back() == b.back()) {
    a.remove_suffix(1);
    b.remove_suffix(1);
  }
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

// The best candidate so far.
class NearestSearch {
 public:
  explicit NearestSearch(std::string_view name) : name_(name) {}

  // False when the effort is spent.
  bool consider(const std::string& candidate, SearchEffort& effort) {
    const std::size_t longer = std::max(name_.size(), candidate.size());
    const std::size_t least = longer - std::min(name_.size(), candidate.size());  // the distance is no less
    const std::size_t common = common_components(name_, candidate);
    // Two shared components ("fc1.weight") make a name near; otherwise at most a third may differ.
    const auto is_near = [&](std::size_t distance) { return common >= 2 || 3 * distance <= longer; };
    const auto is_better = [&](std::size_t distance) {
      return best_ == nullptr || common > common_ || (common == common_ && distance < distance_);
    };
    if (longer > kLongestName || !is_near(least) || !is_better(least)) return effort.take(1);
    if (!effort.take(name_.size() * candidate.size())) return false;
    const std::size_t distance = edit_distance(name_, candidate);
    if (is_near(distance) && is_better(distance)) {
      best_ = &candidate;
      common_ = common;
      distance_ = distance;
    }
    return true;
  }

  std::optional<std::string> best() const { return best_ == nullptr ? std::nullopt : std::optional(*best_); }

 private:
  std::string_view name_;
  const std::string* best_ = nullptr;
  std::size_t common_ = 0;
  std::size_t distance_ = 0;
};

// What the name ends in: its last four components, or fewer, and in the end none.
std::vector<std::string_view> endings_of(std::string_view name) {
  constexpr std::size_t kMostComponents = 4;
  std::vector<std::string_view> out{{}};
  for (std::size_t begin = name.size() + 1; begin > 0 && out.size() <= kMostComponents;) {
    const std::size_t dot = begin < 2 ? std::string_view::npos : name.rfind('.', begin - 2);
    begin = dot == std::string_view::npos ? 0 : dot + 1;
    out.push_back(name.substr(begin));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  NearestSearch search(name);
  SearchEffort effort = SearchEffort::unlimited();
  for (const std::string& candidate : candidates) search.consider(candidate, effort);
  return search.best();
}

NearestNames::NearestNames(std::vector<std::string> candidates) : candidates_(std::move(candidates)) {
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    for (const std::string_view ending : endings_of(candidates_[i])) by_ending_[ending].push_back(i);
  }
}

std::optional<std::string> NearestNames::find(std::string_view name, SearchEffort& effort) const {
  NearestSearch search(name);
  for (const std::string_view ending : endings_of(name)) {
    const auto group = by_ending_.find(ending);
    if (group == by_ending_.end()) continue;
    for (const std::size_t i : group->second) {
      if (!search.consider(candidates_[i], effort)) return std::nullopt;
    }
    if (auto best = search.best()) return best;  // whatever shares a shorter ending is farther
  }
  return std::nullopt;
}

}  // namespace sconce
