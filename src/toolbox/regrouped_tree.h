// A tree built anew from chosen leaves, some of them under other names.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sconce/checkpoint/named.h"

namespace sconce::toolbox {

class RegroupedTree {
 public:
  using NewName = std::function<std::string(std::string_view)>;
  // `new_name` also tells where the modules of `_metadata` go.
  explicit RegroupedTree(NewName new_name) : new_name_(std::move(new_name)) {}

  // A leaf of the old tree with the containers that lead to it. Errors: kKeyMismatch, kUnsupported.
  void add(const checkpoint::NamedLeaf& leaf, std::span<const Value> holders);
  // The new tree; None when nothing was added.
  Value build();

 private:
  // A container of the new tree, or a leaf.
  struct Node {
    std::optional<Value> leaf;
    std::string old_name;  // of the leaf, or of the container
    Value old;             // the container whose kind this has
    std::vector<std::pair<Value, std::size_t>> children;
    std::unordered_map<std::string, std::size_t> index;  // of children, by the key's text
    std::map<std::string, std::string, std::less<>>
        modules;  // of `_metadata`: old -> new, where tensors tell
  };

  std::size_t child(std::size_t parent, const Value& key, const std::string& old_name);
  void note_module(std::size_t holder, const Value& old_key, const Value& new_key);
  Value made(const Node& node, std::vector<Value>& values) const;
  Value metadata(const Node& node, const Value& old) const;
  std::string new_module(const Node& node, const std::string& module) const;

  NewName new_name_;
  std::vector<Node> nodes_;
};

}  // namespace sconce::toolbox
