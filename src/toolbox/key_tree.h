// The names of one side as a tree of layers, and what tells layers apart.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sconce/toolbox/key_match.h"

namespace sconce::toolbox {

// A name without what wrappers put into it, weight norm's two spellings made one.
struct CanonicalKey {
  std::vector<std::string> components;
  bool is_weight_norm = false;  // its spelling was changed
};
// Of all keys of one side: names that would fall together keep their wrappers.
std::vector<CanonicalKey> canonical_keys(const std::vector<KeyInfo>& keys);

std::string joined(const std::vector<std::string>& components);

// Numbers texts, equal ones alike.
class Interner {
 public:
  std::size_t id(const std::string& text) { return ids_.try_emplace(text, ids_.size()).first->second; }

 private:
  std::unordered_map<std::string, std::size_t> ids_;
};

struct KeyNode {
  std::string component;
  std::size_t parent = 0;
  std::size_t place = 0;              // among its parent's children
  std::vector<std::size_t> children;  // in the order of the file
  std::optional<std::size_t> key;     // a tensor of this very name
};

class KeyTree {
 public:
  static constexpr std::size_t kRoot = 0;

  // `interner` must be the same for two trees that are compared.
  KeyTree(const std::vector<KeyInfo>& keys, std::vector<CanonicalKey> names, Interner& interner);

  // Leaves the keys marked in `taken` out of the tree.
  void build(const std::vector<bool>& taken);

  const KeyNode& node(std::size_t index) const { return nodes_[index]; }
  std::size_t node_count() const { return nodes_.size(); }
  const KeyInfo& info(std::size_t key) const { return keys_[key]; }
  const CanonicalKey& name(std::size_t key) const { return names_[key]; }
  std::size_t size() const { return keys_.size(); }
  std::optional<std::size_t> child(std::size_t parent, const std::string& component) const;
  std::optional<std::size_t> find(const std::vector<std::string>& components) const;
  // All keys at and below a node, in the order of the file.
  std::vector<std::size_t> keys_below(std::size_t node) const;
  bool is_leaf(std::size_t node) const { return nodes_[node].children.empty(); }
  // The name of a key below a node, from there.
  std::vector<std::string> relative(std::size_t node, std::size_t key) const;
  std::vector<std::string> path(std::size_t node) const;

  // Equal ids: the same names and shapes of everything below. `num_batches_tracked`, which may be missing, is
  // left out; numbered layers count by their rank.
  std::size_t strong_id(std::size_t node);
  // Equal ids: the same tree of layers and the same last names and shapes below, whatever the layers are
  // called; in the same order when the order is known.
  std::size_t weak_id(std::size_t node, bool order_known);
  // What one tensor is, its place apart: last name and shape.
  std::string kind_of(std::size_t key) const;

 private:
  template <class Name>
  std::string structure_of(std::size_t node, bool is_ordered, Name name_of) const;
  std::string name_by_rank(std::size_t node) const;
  const std::vector<KeyInfo>& keys_;
  std::vector<CanonicalKey> names_;
  Interner& interner_;
  std::vector<KeyNode> nodes_;
  std::map<std::pair<std::size_t, std::string>, std::size_t> child_index_;
  std::unordered_map<std::size_t, std::size_t> strong_;
  std::unordered_map<std::size_t, std::size_t> weak_;
};

inline constexpr const char* kBatchCounter = "num_batches_tracked";
// The name that PyTorch gives a tensor now (gamma is weight, beta is bias).
std::string modern_leaf(const std::string& name);
// True for names that mean one thing everywhere and are never another's new name.
bool is_reserved_leaf(const std::string& name);
// True for a place in a Sequential or ModuleList.
bool is_number(const std::string& component);

}  // namespace sconce::toolbox
