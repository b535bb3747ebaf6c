#include "sconce/toolbox/rename_detection.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "sconce/state/edit_distance.h"

namespace sconce::toolbox {
namespace {

constexpr std::size_t kMostComparisons = 250'000;  // of names with names, within one group
constexpr std::size_t kLongestName = 1024;

std::string_view parent_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

// `name` without its last `count` components.
std::string_view without_components(std::string_view name, std::size_t count) {
  for (; count > 0; --count) name = parent_of(name);
  return name;
}

// What is left to pair of one content.
struct Group {
  std::vector<std::size_t> a;
  std::vector<std::size_t> b;
};

// Prefixes of A and what became of them in B; two answers are no answer.
class Rules {
 public:
  void learn(std::string_view a, std::string_view b) {
    const std::size_t common = common_components(a, b);
    add(without_components(a, common), without_components(b, common));
    add(parent_of(a), parent_of(b));
  }
  // The name that the rule for the longest prefix of `name` gives.
  std::optional<std::string> apply(std::string_view name) const {
    for (std::string_view prefix = parent_of(name);; prefix = parent_of(prefix)) {
      const auto rule = rules_.find(std::string(prefix));
      if (rule != rules_.end() && rule->second.size() == 1)
        return replaced(name, prefix, *rule->second.begin());
      if (prefix.empty()) return std::nullopt;
    }
  }

 private:
  void add(std::string_view a, std::string_view b) { rules_[std::string(a)].insert(std::string(b)); }
  static std::string replaced(std::string_view name, std::string_view prefix, std::string_view with) {
    std::string_view rest = name.substr(prefix.size());
    if (!rest.empty() && rest.front() == '.') rest.remove_prefix(1);
    std::string out(with);
    if (!with.empty() && !rest.empty()) out += '.';
    return out += rest;
  }
  std::map<std::string, std::set<std::string>> rules_;
};

class Detection {
 public:
  Detection(const std::vector<RenameCandidate>& a, const std::vector<RenameCandidate>& b) : a_(a), b_(b) {
    for (std::size_t i = 0; i < a.size(); ++i) groups_[a[i].content].a.push_back(i);
    for (std::size_t i = 0; i < b.size(); ++i) {
      const auto group = groups_.find(b[i].content);
      if (group != groups_.end()) group->second.b.push_back(i);
    }
  }

  Renames run() {
    for (auto& [content, group] : groups_) {
      if (group.a.size() == 1 && group.b.size() == 1) take(group, group.a.front(), group.b.front(), true);
    }
    // A pair found by names teaches the rules of others.
    bool found = true;
    while (found) {
      found = false;
      for (auto& [content, group] : groups_) found = pair_by_rules(group) || found;
      if (found) continue;
      for (auto& [content, group] : groups_) found = pair_by_similarity(group) || found;
    }
    for (auto& [content, group] : groups_) {
      if (!group.a.empty() && !group.b.empty()) out_.ambiguous.push_back({group.a, group.b});
    }
    const auto by_a = [](const TensorRename& x, const TensorRename& y) { return x.a < y.a; };
    std::sort(out_.renames.begin(), out_.renames.end(), by_a);
    std::sort(out_.ambiguous.begin(), out_.ambiguous.end(),
              [](const AmbiguousRename& x, const AmbiguousRename& y) { return x.a < y.a; });
    return std::move(out_);
  }

 private:
  void take(Group& group, std::size_t a, std::size_t b, bool by_content) {
    out_.renames.push_back({a, b, by_content});
    rules_.learn(a_[a].name, b_[b].name);
    std::erase(group.a, a);
    std::erase(group.b, b);
  }

  bool pair_by_rules(Group& group) {
    if (group.a.empty() || group.b.empty()) return false;
    std::map<std::string_view, std::size_t> by_name;
    for (const std::size_t b : group.b) by_name.emplace(b_[b].name, b);
    bool found = false;
    for (const std::size_t a : std::vector<std::size_t>(group.a)) {
      const auto name = rules_.apply(a_[a].name);
      const auto at = name ? by_name.find(*name) : by_name.end();
      if (at == by_name.end()) continue;
      take(group, a, at->second, false);
      by_name.erase(at);
      found = true;
    }
    return found;
  }

  // Smaller is nearer: fewer components apart first, then fewer letters.
  std::pair<std::size_t, std::size_t> distance(std::size_t a, std::size_t b) const {
    const std::string& x = a_[a].name;
    const std::string& y = b_[b].name;
    constexpr std::size_t kFar = std::numeric_limits<std::size_t>::max();
    if (x.size() > kLongestName || y.size() > kLongestName) return {kFar, kFar};
    return {kFar - common_components(x, y), edit_distance(x, y)};
  }

  bool pair_by_similarity(Group& group) {
    if (group.a.empty() || group.b.empty()) return false;
    if (group.a.size() > kMostComparisons / group.b.size()) return false;
    // The only nearest of each; npos where two are equally near.
    constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
    const auto nearest = [&](std::size_t from, const std::vector<std::size_t>& others, bool from_a) {
      std::size_t best = kNone;
      std::pair<std::size_t, std::size_t> least;
      for (const std::size_t& other : others) {
        const auto apart = from_a ? distance(from, other) : distance(other, from);
        if ((best == kNone && &other == &others.front()) || apart < least) {
          best = other;
          least = apart;
        } else if (apart == least) {
          best = kNone;
        }
      }
      return best;
    };
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    for (const std::size_t a : group.a) {
      const std::size_t b = nearest(a, group.b, true);
      if (b != kNone && nearest(b, group.a, false) == a) pairs.emplace_back(a, b);
    }
    for (const auto& [a, b] : pairs) take(group, a, b, false);
    return !pairs.empty();
  }

  const std::vector<RenameCandidate>& a_;
  const std::vector<RenameCandidate>& b_;
  std::map<std::string, Group> groups_;
  Rules rules_;
  Renames out_;
};

}  // namespace

Renames find_renames(const std::vector<RenameCandidate>& a, const std::vector<RenameCandidate>& b) {
  return Detection(a, b).run();
}

}  // namespace sconce::toolbox
