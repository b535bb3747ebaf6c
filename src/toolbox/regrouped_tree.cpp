#include "toolbox/regrouped_tree.h"

#include <algorithm>
#include <set>
#include <utility>

#include "sconce/base/error.h"
#include "sconce/state/repr.h"
#include "toolbox/renamed_path.h"

namespace sconce::toolbox {
namespace {

// Stands for a tensor of a module that has none; no pattern matches it by accident.
constexpr std::string_view kNoTensor = "\x01";

// Texts of keys that differ only in type ('0' and 0) must not fall together.
std::string exact_key(const Value& key) {
  return key.is_string() ? cat("s", key.as_string()) : cat(value_kind_name(key.kind()), value_repr(key));
}

std::pair<std::string, std::string> module_and_tensor(const std::string& key) {
  const std::size_t dot = key.rfind('.');
  if (dot == std::string::npos) return {"", key};
  return {key.substr(0, dot), key.substr(dot + 1)};
}

std::string joined(std::string_view prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : cat(prefix, ".", name);
}

std::string dotted(const std::vector<Value>& path, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += '.';
    out += checkpoint::key_name(path[i]);
  }
  return out;
}

}  // namespace

std::size_t RegroupedTree::child(std::size_t parent, const Value& key, const std::string& old_name) {
  const auto [at, is_new] = nodes_[parent].index.try_emplace(exact_key(key), nodes_.size());
  if (!is_new) return at->second;
  nodes_[parent].children.emplace_back(key, nodes_.size());
  nodes_.emplace_back();
  nodes_.back().old_name = old_name;
  return nodes_.size() - 1;
}

void RegroupedTree::add(const checkpoint::NamedLeaf& leaf, std::span<const Value> holders) {
  for (const Value& holder : holders) {
    require(!holder.is(leaf.value), ErrorCode::kUnsupported, "convert", "'", escaped(leaf.name),
            "' is a container within itself; its parts cannot be chosen or renamed");
  }
  const std::string name = new_name_(leaf.name);
  std::vector<NewStep> steps;
  if (name == leaf.name) {
    for (std::size_t i = 0; i < leaf.path.size(); ++i) steps.push_back({leaf.path[i], i});
  } else {
    steps = renamed_path(leaf.path, name);
  }

  if (nodes_.empty()) nodes_.emplace_back();
  std::size_t node = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const NewStep& step = steps[i];
    const Value old = holders.empty() ? Value::dict() : holders[step.holder];
    require(!step.is_changed || old.is_dict(), ErrorCode::kUnsupported, "convert", "'", escaped(leaf.name),
            "' cannot become '", escaped(name), "': it is an element of a ", value_kind_name(old.kind()));
    require(!nodes_[node].leaf, ErrorCode::kKeyMismatch, "convert", "'", escaped(leaf.name),
            "' would become '", escaped(name), "', below '", escaped(nodes_[node].old_name), "'");
    if (nodes_[node].old.is_none()) {
      nodes_[node].old = old;
      nodes_[node].old_name = dotted(leaf.path, step.holder);
    }
    if (i + 1 == steps.size() && !leaf.path.empty()) note_module(node, leaf.path.back(), step.key);
    node = child(node, step.key, leaf.name);
  }
  Node& place = nodes_[node];
  require(!place.leaf && place.children.empty(), ErrorCode::kKeyMismatch, "convert", "'",
          escaped(place.old_name), "' and '", escaped(leaf.name), "' would both be named '", escaped(name),
          "'");
  place.leaf = leaf.value;
  place.old_name = leaf.name;
}

void RegroupedTree::note_module(std::size_t holder, const Value& old_key, const Value& new_key) {
  if (!old_key.is_string() || !new_key.is_string()) return;
  const auto [old_module, old_tensor] = module_and_tensor(old_key.as_string());
  const auto [new_module, new_tensor] = module_and_tensor(new_key.as_string());
  if (old_tensor == new_tensor) nodes_[holder].modules.try_emplace(old_module, new_module);
}

Value RegroupedTree::build() {
  if (nodes_.empty()) return {};
  // Children come after their parents in nodes_.
  std::vector<Value> values(nodes_.size());
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    values[i] = nodes_[i].leaf ? *nodes_[i].leaf : made(nodes_[i], values);
  }
  return values.front();
}

Value RegroupedTree::made(const Node& node, std::vector<Value>& values) const {
  if (node.old.is_dict()) {
    Value out = node.old.is_ordered_dict() ? Value::ordered_dict() : Value::dict();
    for (const auto& [key, index] : node.children) out.set_item(key, values[index]);
    for (const auto& [name, attribute] : node.old.attributes()) {
      out.set_attribute(name, name == "_metadata" ? metadata(node, attribute) : attribute);
    }
    return out;
  }
  std::vector<Value> elements(node.old.size());  // None where nothing was chosen
  for (const auto& [key, index] : node.children) {
    elements[static_cast<std::size_t>(key.as_int())] = values[index];
  }
  Value out = node.old.is_list() ? Value::list() : Value::tuple();
  for (const Value& element : elements) out.append(element);
  return out;
}

Value RegroupedTree::metadata(const Node& node, const Value& old) const {
  if (!old.is_dict()) return old;
  struct Row {
    Value key;
    Value value;
    bool is_renamed;
  };
  std::vector<Row> rows;
  std::unordered_map<std::string, std::size_t> places;
  for (const auto& [key, value] : old.items()) {
    if (!key.is_string()) {
      rows.push_back({key, value, false});
      continue;
    }
    const std::string name = new_module(node, key.as_string());
    const bool is_renamed = name != key.as_string();
    const auto [at, is_new] = places.try_emplace(name, rows.size());
    if (is_new) {
      rows.push_back({Value(name), value, is_renamed});
    } else if (is_renamed && !rows[at->second].is_renamed) {
      // The wrapper whose prefix was stripped gives way to what it wrapped.
      rows[at->second] = {Value(name), value, true};
    }
  }
  Value out = old.is_ordered_dict() ? Value::ordered_dict() : Value::dict();
  for (const Row& row : rows) out.set_item(row.key, row.value);
  return out;
}

std::string RegroupedTree::new_module(const Node& node, const std::string& module) const {
  const auto known = node.modules.find(module);
  if (known != node.modules.end()) return known->second;
  const std::string old_tensor = joined(module, kNoTensor);
  const std::string old_name = joined(node.old_name, old_tensor);
  const std::string name = new_name_(old_name);
  if (name == old_name) return module;
  // What remains of the name below the container, which may have another name itself.
  std::vector<Value> path;
  if (!node.old_name.empty()) path.emplace_back(node.old_name);
  path.emplace_back(old_tensor);
  const auto steps = renamed_path(path, name);
  const Value& last = steps.back().key;
  const auto [new_module, tensor] = module_and_tensor(last.as_string());
  return tensor == kNoTensor ? new_module : module;
}

}  // namespace sconce::toolbox
