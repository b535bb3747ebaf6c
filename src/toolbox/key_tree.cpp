#include "toolbox/key_tree.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "sconce/base/text.h"
#include "sconce/toolbox/key_names.h"

namespace sconce::toolbox {
namespace {

using Nodes = std::vector<std::size_t>;

// [..., parametrizations, weight, original0]: the place of `parametrizations`, else nullopt.
std::optional<std::size_t> parametrization_at(const std::vector<std::string>& components) {
  const std::size_t count = components.size();
  if (count < 3 || components[count - 3] != "parametrizations") return std::nullopt;
  if (components.back() != "original0" && components.back() != "original1") return std::nullopt;
  return count - 3;
}

void unify_weight_norm(std::vector<CanonicalKey>& keys) {
  std::set<std::string> names;
  for (const CanonicalKey& key : keys) names.insert(joined(key.components));
  for (CanonicalKey& key : keys) {
    const auto at = parametrization_at(key.components);
    if (!at) continue;
    // Weight norm has both; what has only one is another parametrization.
    auto other = key.components;
    other.back() = key.components.back() == "original0" ? "original1" : "original0";
    if (!names.contains(joined(other))) continue;
    const std::string plain = key.components[*at + 1] + (key.components.back() == "original0" ? "_g" : "_v");
    key.components.resize(*at);
    key.components.push_back(plain);
    key.is_weight_norm = true;
  }
}

}  // namespace

std::string joined(const std::vector<std::string>& components) {
  std::string out;
  for (std::size_t i = 0; i < components.size(); ++i) {
    if (i > 0) out += '.';
    out += components[i];
  }
  return out;
}

std::vector<CanonicalKey> canonical_keys(const std::vector<KeyInfo>& keys) {
  std::unordered_map<std::string, std::size_t> uses;
  for (const KeyInfo& key : keys) ++uses[without_wrappers(key.name)];
  std::vector<CanonicalKey> out;
  for (const KeyInfo& key : keys) {
    std::string name = without_wrappers(key.name);
    if (uses[name] > 1) name = key.name;
    const auto parts = components_of(name);
    out.push_back({{parts.begin(), parts.end()}, false});
  }
  unify_weight_norm(out);
  return out;
}

std::string modern_leaf(const std::string& name) {
  if (name == "gamma") return "weight";
  if (name == "beta") return "bias";
  return name;
}

bool is_number(const std::string& component) {
  return !component.empty() && component.size() <= 9 &&
         std::all_of(component.begin(), component.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_reserved_leaf(const std::string& name) {
  static constexpr std::array<std::string_view, 5> kReserved = {"weight", "bias", "running_mean",
                                                                "running_var", kBatchCounter};
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

KeyTree::KeyTree(const std::vector<KeyInfo>& keys, std::vector<CanonicalKey> names, Interner& interner)
    : keys_(keys), names_(std::move(names)), interner_(interner) {
  build(std::vector<bool>(keys.size()));
}

void KeyTree::build(const std::vector<bool>& taken) {
  nodes_.assign(1, {});
  child_index_.clear();
  strong_.clear();
  weak_.clear();
  for (std::size_t key = 0; key < keys_.size(); ++key) {
    if (taken[key]) continue;
    std::size_t at = kRoot;
    for (const std::string& component : names_[key].components) {
      const auto [place, is_new] = child_index_.try_emplace({at, component}, nodes_.size());
      if (is_new) {
        KeyNode node;
        node.component = component;
        node.parent = at;
        node.place = nodes_[at].children.size();
        nodes_[at].children.push_back(nodes_.size());
        nodes_.push_back(std::move(node));
      }
      at = place->second;
    }
    // Of two tensors with one name only the first can be meant by it.
    if (!nodes_[at].key) nodes_[at].key = key;
  }
}

std::optional<std::size_t> KeyTree::child(std::size_t parent, const std::string& component) const {
  const auto found = child_index_.find({parent, component});
  if (found == child_index_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::size_t> KeyTree::find(const std::vector<std::string>& components) const {
  std::size_t at = kRoot;
  for (const std::string& component : components) {
    const auto next = child(at, component);
    if (!next) return std::nullopt;
    at = *next;
  }
  return at;
}

std::vector<std::size_t> KeyTree::keys_below(std::size_t node) const {
  std::vector<std::size_t> out;
  std::vector<std::size_t> open{node};
  while (!open.empty()) {
    const KeyNode& at = nodes_[open.back()];
    open.pop_back();
    if (at.key) out.push_back(*at.key);
    open.insert(open.end(), at.children.begin(), at.children.end());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> KeyTree::path(std::size_t node) const {
  std::vector<std::string> out;
  for (; node != kRoot; node = nodes_[node].parent) out.push_back(nodes_[node].component);
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string> KeyTree::relative(std::size_t node, std::size_t key) const {
  const auto& components = names_[key].components;
  const std::size_t depth = path(node).size();
  return {components.begin() + static_cast<std::ptrdiff_t>(depth), components.end()};
}

std::string KeyTree::kind_of(std::size_t key) const {
  return cat(modern_leaf(names_[key].components.back()), " ", keys_[key].shape.str());
}

// The text of a layer: its tensors and the texts of the layers in it, without recursion. Children come before
// their parents in the order that undoes a walk from the top.
template <class Name>
std::string KeyTree::structure_of(std::size_t root, bool is_ordered, Name name_of) const {
  Nodes order;
  Nodes open{root};
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    order.push_back(node);
    open.insert(open.end(), nodes_[node].children.begin(), nodes_[node].children.end());
  }
  std::unordered_map<std::size_t, std::string> texts;
  std::string text;
  for (auto at = order.rbegin(); at != order.rend(); ++at) {
    const KeyNode& node = nodes_[*at];
    std::vector<std::string> parts;
    for (const std::size_t child : node.children) {
      std::string& part = texts[child];
      if (!part.empty()) parts.push_back(cat(name_of(child), part));
      texts.erase(child);
    }
    if (!is_ordered) std::sort(parts.begin(), parts.end());
    text.clear();
    if (node.key && node.component != kBatchCounter) text += keys_[*node.key].shape.str();
    for (const std::string& part : parts) text += cat("{", part, "}");
    texts[*at] = text;
  }
  return text;
}

std::string KeyTree::name_by_rank(std::size_t node) const {
  const KeyNode& at = nodes_[node];
  if (!is_number(at.component)) return is_leaf(node) ? modern_leaf(at.component) : at.component;
  const auto number = std::stoul(at.component);
  const auto& siblings = nodes_[at.parent].children;
  const auto rank = std::count_if(siblings.begin(), siblings.end(), [&](std::size_t sibling) {
    return is_number(nodes_[sibling].component) && std::stoul(nodes_[sibling].component) < number;
  });
  return cat("#", rank);
}

std::size_t KeyTree::strong_id(std::size_t node) {
  const auto known = strong_.find(node);
  if (known != strong_.end()) return known->second;
  const std::string text =
      structure_of(node, false, [this](std::size_t child) { return name_by_rank(child); });
  return strong_.emplace(node, interner_.id("strong" + text)).first->second;
}

std::size_t KeyTree::weak_id(std::size_t node, bool order_known) {
  const auto known = weak_.find(node);
  if (known != weak_.end()) return known->second;
  const std::string text = structure_of(node, order_known, [this](std::size_t child) {
    return is_leaf(child) ? modern_leaf(nodes_[child].component) : std::string();
  });
  return weak_.emplace(node, interner_.id((order_known ? "weak" : "weak, sorted") + text)).first->second;
}

}  // namespace sconce::toolbox
