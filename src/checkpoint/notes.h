// Notes about many things of one kind.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sconce/base/text.h"

namespace sconce::checkpoint {

// Keeps each text once, with the first place it is about and how many there are.
class Notes {
 public:
  // `place` is a dotted name, "" for the top.
  void add(const std::string& text, const std::string& place) {
    const auto [at, fresh] = counts_.try_emplace(text, 0);
    if (fresh) order_.emplace_back(text, place);
    ++at->second;
  }

  std::vector<std::string> list() const {
    std::vector<std::string> out;
    for (const auto& [text, place] : order_) {
      const std::size_t more = counts_.at(text) - 1;
      const std::string where = place.empty() ? "at the top" : cat("at '", escaped(place), "'");
      out.push_back(cat(text, " (", where, more > 0 ? cat(" and ", more, " more") : "", ")"));
    }
    return out;
  }

 private:
  std::map<std::string, std::size_t> counts_;
  std::vector<std::pair<std::string, std::string>> order_;
};

}  // namespace sconce::checkpoint
