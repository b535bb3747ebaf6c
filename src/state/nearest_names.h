// The nearest of many names, for many names.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sconce {

// How much comparing of names is left; every search takes from it.
class SearchEffort {
 public:
  static SearchEffort unlimited() { return SearchEffort(std::numeric_limits<std::size_t>::max()); }
  SearchEffort() : SearchEffort(500'000'000) {}  // steps of edit_distance: about half a second
  // False, and spent, when fewer than `steps` are left.
  bool take(std::size_t steps) {
    is_spent_ = is_spent_ || steps > left_;
    if (!is_spent_) left_ -= steps;
    return !is_spent_;
  }
  bool is_spent() const { return is_spent_; }

 private:
  explicit SearchEffort(std::size_t steps) : left_(steps) {}

  std::size_t left_;
  bool is_spent_ = false;
};

// What nearest_name() finds, at less cost: names that end in the same components are looked at first.
class NearestNames {
 public:
  explicit NearestNames(std::vector<std::string> candidates);
  // nullopt also when the effort was spent before the end.
  std::optional<std::string> find(std::string_view name, SearchEffort& effort) const;

 private:
  std::vector<std::string> candidates_;
  // Positions of those that end in some components; the views are of the names above.
  std::unordered_map<std::string_view, std::vector<std::size_t>> by_ending_;
};

}  // namespace sconce
