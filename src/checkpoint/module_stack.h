// Modules within modules, walked with a stack on the heap.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "sconce/base/error.h"
#include "sconce/checkpoint/named.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

class ModuleStack {
 public:
  struct Child {
    std::string name;  // dotted, from the root
    Value value;
  };

  explicit ModuleStack(std::string_view where) : where_(where) {}

  // Goes into the module whose members' names begin with `prefix`, "" or "conv1.". Errors: kCorrupt (it is
  // part of itself), kLimit.
  void enter(const Value& module, std::string prefix, std::vector<Value::Pair> children) {
    require(entered_.insert(module.id()).second, ErrorCode::kCorrupt, where_, "the module '",
            escaped(place_of(prefix)), "' is part of itself");
    require(entered_.size() <= kMostNested, ErrorCode::kLimit, where_, "modules are nested more than ",
            kMostNested, " deep");
    frames_.push_back({module, std::move(prefix), std::move(children)});
  }

  // Another child of the module entered last.
  void add_child(const Value::Pair& child) { frames_.back().children.push_back(child); }

  // The next child of the innermost module that has one left; nullopt when all are through.
  std::optional<Child> next() {
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (frame.next < frame.children.size()) {
        const auto& [key, value] = frame.children[frame.next++];
        return Child{frame.prefix + key_name(key), value};
      }
      entered_.erase(frame.module.id());
      frames_.pop_back();
    }
    return std::nullopt;
  }

  // The dotted name of the module that has this prefix.
  static std::string place_of(std::string_view prefix) {
    return std::string(prefix.substr(0, prefix.size() - (prefix.empty() ? 0 : 1)));
  }

 private:
  static constexpr std::size_t kMostNested = 1000;

  struct Frame {
    Value module;
    std::string prefix;
    std::vector<Value::Pair> children;
    std::size_t next = 0;
  };

  std::string_view where_;
  std::vector<Frame> frames_;
  std::unordered_set<const void*> entered_;
};

}  // namespace sconce::checkpoint
