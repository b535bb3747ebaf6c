// The members of a JSON object that may become many: `object[name] = value` looks through all that are there.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "common/output.h"

namespace sconce::cli {

class JsonMembers {
 public:
  // In the order of their first mention; of several values with one name the last stays.
  void set(const std::string& name, Json value) {
    const auto [place, is_new] = places_.try_emplace(name, members_.size());
    if (is_new) {
      members_.emplace_back(name, std::move(value));
    } else {
      members_[place->second].second = std::move(value);
    }
  }
  Json object() && {
    Json out = Json::object();
    static_cast<Json::object_t::Container&>(out.get_ref<Json::object_t&>()) = std::move(members_);
    return out;
  }

 private:
  Json::object_t::Container members_;
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace sconce::cli
