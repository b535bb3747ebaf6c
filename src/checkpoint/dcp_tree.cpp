#include "checkpoint/dcp_tree.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "sconce/base/error.h"
#include "sconce/checkpoint/walk_budget.h"
#include "sconce/state/repr.h"

namespace sconce::checkpoint::dcp {
namespace {

// Lists may have gaps, but not be mostly gaps.
constexpr std::size_t kMostGap = 100'000;
// Python's own pickles and copies end near this depth.
constexpr std::size_t kMostDepth = 1000;

// A path as one string that no other path has.
std::string joined(const std::vector<Value>& path, std::size_t steps) {
  std::string out;
  for (std::size_t i = 0; i < steps; ++i) {
    out += path[i].is_int() ? cat('#', path[i].as_int())
                            : cat('$', path[i].as_string().size(), ':', path[i].as_string());
  }
  return out;
}

bool is_decimal(const Value& key) {
  if (!key.is_string()) return false;
  const std::string& text = key.as_string();
  constexpr std::size_t kMostDigits = 18;
  return !text.empty() && text.size() <= kMostDigits && (text == "0" || text[0] != '0') &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::size_t restore_int_keys(std::vector<Item>& items) {
  struct Optimizer {
    bool has_groups = false;
    bool is_numbered = true;
    std::vector<std::size_t> states;  // items under `state`
  };
  std::map<std::string, Optimizer> optimizers;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& path = items[i].path;
    for (std::size_t at = 0; at + 1 < path.size(); ++at) {
      if (!path[at].is_string()) continue;
      const std::string& step = path[at].as_string();
      if (step == "param_groups") optimizers[joined(path, at)].has_groups = true;
      if (step != "state") continue;
      Optimizer& optimizer = optimizers[joined(path, at)];
      // The key lies right under `state`, and something under it.
      optimizer.is_numbered = optimizer.is_numbered && at + 2 < path.size() && is_decimal(path[at + 1]);
      optimizer.states.push_back(i);
    }
  }
  std::size_t changed = 0;
  for (const auto& [prefix, optimizer] : optimizers) {
    if (!optimizer.has_groups || !optimizer.is_numbered || optimizer.states.empty()) continue;
    ++changed;
    for (const std::size_t i : optimizer.states) {
      auto& path = items[i].path;
      for (std::size_t at = 0; at + 2 < path.size(); ++at) {
        const bool is_state = path[at].is_string() && path[at].as_string() == "state";
        if (!is_state || joined(path, at) != prefix) continue;
        path[at + 1] = Value(std::stoll(path[at + 1].as_string()));
        items[i].int_keys.push_back(at + 1);
      }
    }
  }
  return changed;
}

namespace {

struct TreeNode {
  enum class Kind { kLeaf, kDict, kList } kind = Kind::kLeaf;
  Value key;  // in its parent
  std::size_t parent = 0;
  Value value;
  std::map<std::size_t, std::size_t> elements;  // of a list: index -> node
};

bool is_key(const Item& item, std::size_t step) {
  return item.path[step].is_string() ||
         std::find(item.int_keys.begin(), item.int_keys.end(), step) != item.int_keys.end();
}

class TreeBuilder {
 public:
  TreeBuilder() { nodes_.push_back({TreeNode::Kind::kDict, {}, 0, {}, {}}); }

  void add(const Item& item, const Value& value) {
    std::size_t at = 0;
    std::string place;
    for (std::size_t i = 0; i < item.path.size(); ++i) {
      const bool is_last = i + 1 == item.path.size();
      // As in PyTorch, the first path through a container decides what it is.
      auto kind = TreeNode::Kind::kLeaf;
      if (!is_last) kind = is_key(item, i + 1) ? TreeNode::Kind::kDict : TreeNode::Kind::kList;
      place += joined({item.path[i]}, 1);
      const auto [found, fresh] = index_.try_emplace(place, nodes_.size());
      if (fresh) {
        attach(item, at, item.path[i]);
        nodes_.push_back({kind, item.path[i], at, is_last ? value : Value(), {}});
      } else if (is_last || nodes_[found->second].kind == TreeNode::Kind::kLeaf) {
        fail(ErrorCode::kCorrupt, "dcp", "'", escaped(item.name), "' and another item lie at the same place");
      }
      at = found->second;
    }
  }

  Value finish(std::vector<std::string>& notes) {
    for (TreeNode& node : nodes_) {
      if (node.kind == TreeNode::Kind::kDict) node.value = Value::dict();
      if (node.kind == TreeNode::Kind::kList) node.value = Value::list();
    }
    // Parents stand before their children: dicts get their keys in the order of the items.
    for (std::size_t i = 1; i < nodes_.size(); ++i) {
      TreeNode& parent = nodes_[nodes_[i].parent];
      if (parent.kind == TreeNode::Kind::kDict) parent.value.set_item(nodes_[i].key, nodes_[i].value);
    }
    std::size_t gaps = 0;
    for (TreeNode& node : nodes_) {
      for (const auto& [index, child] : node.elements) {
        for (; node.value.size() < index; ++gaps) node.value.append(Value());
        node.value.append(nodes_[child].value);
      }
    }
    if (gaps > 0)
      notes.push_back(cat(gaps, " elements of lists are not in the checkpoint; None stands there"));
    return nodes_.front().value;
  }

 private:
  void attach(const Item& item, std::size_t parent, const Value& key) {
    TreeNode& node = nodes_[parent];
    if (node.kind != TreeNode::Kind::kList) return;
    require(key.is_int(), ErrorCode::kCorrupt, "dcp", "'", escaped(item.name), "' is a key in a list");
    const auto index = static_cast<std::size_t>(key.as_int());
    const std::size_t before = node.elements.empty() ? 0 : node.elements.rbegin()->first;
    require(index < kMostGap || index - std::min(index, before) < kMostGap, ErrorCode::kLimit, "dcp", "'",
            escaped(item.name), "' is element ", index, " of a list whose others are missing");
    node.elements.emplace(index, nodes_.size());
  }

  std::vector<TreeNode> nodes_;
  std::unordered_map<std::string, std::size_t> index_;
};

// str(key) in Python.
std::string key_text(const Value& key) {
  require(!(key.is_int() && key.is_big_int()), ErrorCode::kUnsupported, "dcp",
          "a key that is an int beyond 64 bits");
  return key.is_string() ? key.as_string() : value_repr(key);
}

class Flattener {
 public:
  Flattener(const NamedLimits& limits, SaveReport& report) : report_(report), budget_(limits) {}

  std::vector<FlatLeaf> run(const Value& root) {
    require(root.is_dict(), ErrorCode::kUnsupported, "dcp", "a distributed checkpoint is a dict, not a ",
            value_kind_name(root.kind()));
    enter(root);
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (frame.next == frame.children.size()) {
        entered_.erase(frame.container.id());
        frames_.pop_back();
        if (!path_.empty()) path_.pop_back();
        continue;
      }
      const auto [key, value] = frame.children[frame.next++];
      path_.push_back(frame.container.is_dict() ? Value(key_text(key)) : key);
      if (value.is_dict() || (value.is_list() && holds_more(value))) {
        enter(value);
      } else {
        add(value);
        path_.pop_back();
      }
    }
    if (renamed_ > 0) {
      report_.warnings.push_back(cat(renamed_, " keys that are not str become str, as dcp has no other"));
    }
    return std::move(leaves_);
  }

 private:
  struct Frame {
    Value container;
    std::vector<Value::Pair> children;
    std::size_t next = 0;
  };

  std::string name() const {
    std::string out;
    for (const Value& step : path_) {
      if (!out.empty() || &step != &path_.front()) out += '.';
      out += step.is_int() ? std::to_string(step.as_int()) : step.as_string();
    }
    return out;
  }

  void enter(const Value& container) {
    budget_.visit();
    require(frames_.size() < kMostDepth, ErrorCode::kLimit, "dcp", "containers are nested more than ",
            kMostDepth, " deep");
    if (!entered_.insert(container.id()).second) {
      fail(ErrorCode::kUnsupported, "dcp", "'", escaped(name()), "' contains itself");
    }
    Frame frame{container, {}, 0};
    if (container.is_dict()) {
      frame.children = container.items();
      if (!is_optimizer_state(container)) {
        renamed_ += static_cast<std::size_t>(
            std::count_if(frame.children.begin(), frame.children.end(),
                          [](const Value::Pair& child) { return !child.first.is_string(); }));
      }
      if (frame.children.empty() && !path_.empty()) {
        report_.warnings.push_back(cat("left out ", escaped(name()), ": dcp cannot keep an empty dict"));
      }
    } else {
      const auto elements = container.elements();
      for (std::size_t i = 0; i < elements.size(); ++i) frame.children.emplace_back(Value(i), elements[i]);
    }
    frames_.push_back(std::move(frame));
  }

  // Whose int keys are made anew when the checkpoint is read.
  bool is_optimizer_state(const Value& container) const {
    if (path_.empty() || !path_.back().is_string() || path_.back().as_string() != "state") return false;
    const Value& parent = frames_.back().container;
    if (!parent.is_dict() || !parent.contains(Value("param_groups"))) return false;
    const auto children = container.items();
    return std::all_of(children.begin(), children.end(), [](const Value::Pair& child) {
      return child.first.is_int() && !child.first.is_big_int() && child.first.as_int() >= 0 &&
             child.second.is_dict() && child.second.size() > 0;
    });
  }

  void add(const Value& value) {
    budget_.visit();
    std::string own = name();
    require(names_.insert(own).second, ErrorCode::kUnsupported, "dcp", "two values would have the name '",
            escaped(own), "'");
    leaves_.push_back({std::move(own), path_, value});
  }

  // Whether a list holds a dict or a tensor, itself or in lists within it.
  bool holds_more(const Value& list) {
    std::vector<Value> open{list};
    std::unordered_set<const void*> seen;
    while (!open.empty()) {
      const Value each = open.back();
      open.pop_back();
      if (!seen.insert(each.id()).second) continue;
      for (const Value& element : each.elements()) {
        budget_.visit();
        if (element.is_dict() || element.is_array() || element.is_sparse()) return true;
        if (element.is_list()) open.push_back(element);
      }
    }
    return false;
  }

  SaveReport& report_;
  std::vector<Frame> frames_;
  std::vector<Value> path_;
  std::vector<FlatLeaf> leaves_;
  std::unordered_set<std::string> names_;
  std::unordered_set<const void*> entered_;
  WalkBudget budget_;
  std::size_t renamed_ = 0;
};

}  // namespace

Value nested(const std::vector<Item>& items, const std::vector<Value>& values,
             std::vector<std::string>& notes) {
  TreeBuilder builder;
  for (std::size_t i = 0; i < items.size(); ++i) builder.add(items[i], values[i]);
  return builder.finish(notes);
}

std::vector<FlatLeaf> flattened(const Value& root, const NamedLimits& limits, SaveReport& report) {
  return Flattener(limits, report).run(root);
}

}  // namespace sconce::checkpoint::dcp
