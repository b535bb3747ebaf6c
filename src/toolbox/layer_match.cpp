#include "toolbox/layer_match.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "sconce/base/text.h"
#include "sconce/state/edit_distance.h"
#include "sconce/toolbox/alignment.h"

namespace sconce::toolbox {
namespace {

using Nodes = std::vector<std::size_t>;

constexpr std::size_t kMostOfOneKind = 400;  // layers whose names are compared with each other
constexpr std::size_t kMuch = 8;             // tensors: so many of the right shapes are no accident
constexpr double kClearly = 0.1;             // similarities that differ by less say nothing

// A name with its numbers taken out of it: "layer2.0" is "layer#.#" and 2, 0.
struct Pattern {
  std::string stem;
  std::vector<std::uint64_t> numbers;
  auto operator<=>(const Pattern&) const = default;  // NOLINT(modernize-use-nullptr): there is no pointer
};

Pattern pattern_of(const std::string& name) {
  Pattern out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(name[i])) == 0) {
      out.stem += name[i];
      continue;
    }
    std::uint64_t number = 0;
    for (; i < name.size() && std::isdigit(static_cast<unsigned char>(name[i])) != 0; ++i)
      number = number * 10 + static_cast<std::uint64_t>(name[i] - '0');
    --i;
    out.stem += '#';
    out.numbers.push_back(number);
  }
  return out;
}

double similarity(const std::string& a, const std::string& b) {
  const std::size_t longest = std::max(a.size(), b.size());
  if (longest == 0 || longest > 512) return 0;
  return 1 - static_cast<double>(edit_distance(a, b)) / static_cast<double>(longest);
}

// True when the names (s before t in both lists: s1 -> t1, s2 -> t2) speak for s1 -> t2 and s2 -> t1.
bool names_contradict(const std::string& s1, const std::string& s2, const std::string& t1,
                      const std::string& t2) {
  const Pattern a = pattern_of(s1);
  const Pattern b = pattern_of(s2);
  const Pattern c = pattern_of(t1);
  const Pattern d = pattern_of(t2);
  if (a.stem == b.stem && c.stem == d.stem) return (a.numbers < b.numbers) != (c.numbers < d.numbers);
  return similarity(s1, t2) + similarity(s2, t1) > similarity(s1, t1) + similarity(s2, t2) + kClearly;
}

bool any_contradicts(const std::vector<std::string>& sources, const std::vector<std::string>& targets) {
  for (std::size_t j = 1; j < sources.size(); ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      if (names_contradict(sources[i], sources[j], targets[i], targets[j])) return true;
    }
  }
  return false;
}

class Matcher {
 public:
  Matcher(KeyTree& sources, KeyTree& targets, bool order_known)
      : s_(sources), t_(targets), order_known_(order_known) {}

  LayerMatches run(std::size_t source, std::size_t target) {
    open_.push_back({source, target, MatchRule::kExact});
    while (!open_.empty()) {
      const Open at = open_.back();
      open_.pop_back();
      visit(at);
    }
    return std::move(out_);
  }

 private:
  struct Open {
    std::size_t source = 0;
    std::size_t target = 0;
    MatchRule rule = MatchRule::kExact;
  };
  // The children of a matched pair of nodes.
  struct Children {
    MatchRule rule = MatchRule::kExact;
    std::vector<std::pair<std::size_t, std::size_t>> common;  // of one name
    Nodes sources;                                            // the rest
    Nodes targets;
  };

  void visit(const Open& at) {
    const KeyNode& source = s_.node(at.source);
    const KeyNode& target = t_.node(at.target);
    if (source.key && target.key) pair_keys(*source.key, *target.key, at.rule);
    Nodes own = source.children;
    Nodes wanted = target.children;
    pair_numbers(own, wanted, at.rule);
    Children children;
    children.rule = at.rule;
    std::set<std::size_t> used;
    for (const std::size_t t : wanted) {
      const auto s = s_.child(at.source, t_.node(t).component);
      if (s && std::find(own.begin(), own.end(), *s) != own.end()) {
        children.common.emplace_back(*s, t);
        used.insert(*s);
        open_.push_back({*s, t, at.rule});
      } else {
        children.targets.push_back(t);
      }
    }
    for (const std::size_t s : own) {
      if (!used.contains(s)) children.sources.push_back(s);
    }
    pair_renamed(children);
  }

  void pair_keys(std::size_t source, std::size_t target, MatchRule rule) {
    const bool fits = s_.info(source).shape == t_.info(target).shape;
    (fits ? out_.pairs : out_.mismatched).push_back({source, target, rule});
  }

  // ---- children with numbers

  static Nodes take_numbered(const KeyTree& tree, Nodes& nodes) {
    Nodes out;
    for (const std::size_t node : nodes) {
      if (is_number(tree.node(node).component)) out.push_back(node);
    }
    std::stable_sort(out.begin(), out.end(), [&](std::size_t x, std::size_t y) {
      return std::stoul(tree.node(x).component) < std::stoul(tree.node(y).component);
    });
    return out;
  }

  static std::set<std::string> components(const KeyTree& tree, const Nodes& nodes) {
    std::set<std::string> out;
    for (const std::size_t node : nodes) out.insert(tree.node(node).component);
    return out;
  }

  // True when every numbered child of `fewer` has one of its number and shapes among `more`.
  template <class IdFewer, class IdMore>
  static bool is_contained(const KeyTree& fewer_tree, const Nodes& fewer, IdFewer id_fewer,
                           const KeyTree& more_tree, const Nodes& more, IdMore id_more) {
    std::map<std::string, std::size_t> ids;
    for (const std::size_t node : more) ids.emplace(more_tree.node(node).component, id_more(node));
    return std::all_of(fewer.begin(), fewer.end(), [&](std::size_t node) {
      const auto found = ids.find(fewer_tree.node(node).component);
      return found != ids.end() && found->second == id_fewer(node);
    });
  }

  static bool counts_from_zero(const KeyTree& tree, const Nodes& sorted) {
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (tree.node(sorted[i]).component != std::to_string(i)) return false;
    }
    return true;
  }

  // Numbers are places in a Sequential, not names: where the two sides number differently, the layers are
  // laid along each other by their shapes.
  void pair_numbers(Nodes& own, Nodes& wanted, MatchRule rule) {
    const Nodes sources = take_numbered(s_, own);
    const Nodes targets = take_numbered(t_, wanted);
    if (sources.empty() || targets.empty()) return;
    if (components(s_, sources) == components(t_, targets)) return;
    const auto strong_s = [&](std::size_t node) { return s_.strong_id(node); };
    const auto strong_t = [&](std::size_t node) { return t_.strong_id(node); };
    // Names that agree throughout are believed; of a file that has fewer layers, if it has the first ones.
    if (is_contained(t_, targets, strong_t, s_, sources, strong_s)) return;
    if (counts_from_zero(s_, sources) && counts_from_zero(t_, targets) &&
        is_contained(s_, sources, strong_s, t_, targets, strong_t))
      return;
    for (const std::size_t node : sources) std::erase(own, node);
    for (const std::size_t node : targets) std::erase(wanted, node);

    auto ids_s = ids_of(sources, strong_s);
    auto ids_t = ids_of(targets, strong_t);
    if (std::none_of(ids_t.begin(), ids_t.end(), [&](std::size_t id) {
          return std::find(ids_s.begin(), ids_s.end(), id) != ids_s.end();
        })) {  // renamed inside as well
      ids_s = ids_of(sources, [&](std::size_t node) { return s_.weak_id(node, order_known_); });
      ids_t = ids_of(targets, [&](std::size_t node) { return t_.weak_id(node, order_known_); });
    }
    std::set<std::size_t> settled;
    for (const auto& [i, j] : forced_pairs(ids_s, ids_t)) {
      open_.push_back({sources[i], targets[j], std::max(rule, MatchRule::kNumbering)});
      settled.insert(j);
    }
    for (std::size_t j = 0; j < targets.size(); ++j) {
      if (settled.contains(j)) continue;
      Nodes candidates;
      for (std::size_t i = 0; i < sources.size(); ++i) {
        if (ids_s[i] == ids_t[j]) candidates.push_back(sources[i]);
      }
      if (!candidates.empty()) out_.ambiguous.emplace_back(targets[j], std::move(candidates));
    }
  }

  template <class Id>
  static std::vector<std::size_t> ids_of(const Nodes& nodes, Id id) {
    std::vector<std::size_t> out;
    for (const std::size_t node : nodes) out.push_back(id(node));
    return out;
  }

  // ---- children with other names

  // What must agree for one child to be another under a new name. A tensor's own name is what may have
  // changed, unless it is one that means the same everywhere.
  template <bool kStrong>
  std::size_t class_of(KeyTree& tree, std::size_t node) {
    if (!tree.is_leaf(node)) return kStrong ? tree.strong_id(node) : tree.weak_id(node, order_known_);
    const std::string leaf = modern_leaf(tree.node(node).component);
    const std::string text =
        cat("tensor ", is_reserved_leaf(leaf) ? leaf : "", " ", tree.info(*tree.node(node).key).shape.str());
    return leaves_.id(text) + kLeafIds;
  }

  void pair_renamed(Children& children) {
    if (children.sources.empty() || children.targets.empty()) return;
    tentative_.clear();
    unclear_.clear();
    pair_classes<true>(children);
    pair_classes<false>(children);
    if (unclear_.empty()) pair_whole(children);
    // Shapes alone prove a new name when every layer of the target is accounted for, or when there is much
    // that agrees: otherwise what fits may be there by accident, and what belongs there may be absent.
    const bool is_whole =
        std::all_of(children.targets.begin(), children.targets.end(),
                    [&](std::size_t node) { return t_.node(node).component == kBatchCounter; });
    for (const Open& pair : tentative_) {
      if (is_whole || t_.keys_below(pair.target).size() >= kMuch) {
        open_.push_back(pair);
      } else {
        out_.ambiguous.emplace_back(pair.target, Nodes{pair.source});
      }
    }
    for (const auto& [target, candidates] : unclear_) out_.ambiguous.emplace_back(target, candidates);
  }

  template <bool kStrong>
  void pair_classes(Children& children) {
    std::map<std::size_t, std::pair<Nodes, Nodes>> classes;
    for (const std::size_t node : children.sources)
      classes[class_of<kStrong>(s_, node)].first.push_back(node);
    for (const std::size_t node : children.targets)
      classes[class_of<kStrong>(t_, node)].second.push_back(node);
    for (auto& [id, members] : classes) {
      Nodes& sources = members.first;
      Nodes& targets = members.second;
      if (sources.empty() || targets.empty()) continue;
      // What is unclear by all names and shapes inside cannot be settled by less.
      const bool was_unclear =
          std::any_of(targets.begin(), targets.end(), [&](std::size_t t) { return is_unclear(t, sources); });
      if (!was_unclear && is_proven<kStrong>(children, id, sources, targets)) {
        const MatchRule rule = targets.size() == 1 ? MatchRule::kOnlyFit : MatchRule::kOrder;
        for (std::size_t i = 0; i < targets.size(); ++i) {
          tentative_.push_back({sources[i], targets[i], std::max(children.rule, rule)});
          std::erase(children.sources, sources[i]);
          std::erase(children.targets, targets[i]);
        }
      } else {
        for (const std::size_t target : targets) {
          if (!is_unclear(target, {})) unclear_.emplace_back(target, sources);
        }
      }
    }
  }

  // The target, or one of the sources, stands among what is unclear.
  bool is_unclear(std::size_t target, const Nodes& sources) const {
    return std::any_of(unclear_.begin(), unclear_.end(), [&](const auto& entry) {
      return entry.first == target || std::any_of(sources.begin(), sources.end(), [&](std::size_t source) {
               return std::find(entry.second.begin(), entry.second.end(), source) != entry.second.end();
             });
    });
  }

  static std::vector<std::string> names_of(const KeyTree& tree, const Nodes& nodes) {
    std::vector<std::string> out;
    for (const std::size_t node : nodes) out.push_back(tree.node(node).component);
    return out;
  }

  // Puts both lists in the order of their numbers; false when they are not numbered throughout.
  bool sort_by_numbers(Nodes& sources, Nodes& targets) const {
    const auto sorted = [](const KeyTree& tree, Nodes& nodes) {
      std::vector<std::pair<Pattern, std::size_t>> patterns;
      for (const std::size_t node : nodes) patterns.emplace_back(pattern_of(tree.node(node).component), node);
      std::sort(patterns.begin(), patterns.end());
      const bool is_uniform = std::all_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
        return pattern.first.stem == patterns.front().first.stem && !pattern.first.numbers.empty();
      });
      for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i] = patterns[i].second;
      return is_uniform;
    };
    return sorted(s_, sources) && sorted(t_, targets);
  }

  template <bool kStrong>
  bool is_proven(const Children& children, std::size_t id, Nodes& sources, Nodes& targets) {
    if (sources.size() != targets.size() || sources.size() > kMostOfOneKind) return false;
    if (sources.size() > 1) {
      if (!order_known_ && !sort_by_numbers(sources, targets)) return false;
      if (any_contradicts(names_of(s_, sources), names_of(t_, targets))) return false;
    }
    // Neighbours of the same kind that kept their names must keep their places, too.
    for (const auto& [s, t] : children.common) {
      if (class_of<kStrong>(s_, s) != id || class_of<kStrong>(t_, t) != id) continue;
      for (std::size_t i = 0; i < sources.size(); ++i) {
        if (!keep_places(sources[i], s, targets[i], t)) return false;
      }
    }
    return true;
  }

  // Is the source on the same side of its neighbour as the target of its own? Without an order only numbers
  // can tell.
  bool keep_places(std::size_t source, std::size_t source_neighbour, std::size_t target,
                   std::size_t target_neighbour) const {
    if (order_known_) {
      return (s_.node(source).place < s_.node(source_neighbour).place) ==
             (t_.node(target).place < t_.node(target_neighbour).place);
    }
    const Pattern a = pattern_of(s_.node(source).component);
    const Pattern b = pattern_of(s_.node(source_neighbour).component);
    const Pattern c = pattern_of(t_.node(target).component);
    const Pattern d = pattern_of(t_.node(target_neighbour).component);
    if (a.stem != b.stem || c.stem != d.stem) return true;
    return (a.numbers < b.numbers) == (c.numbers < d.numbers);
  }

  // ---- layers that were also grouped otherwise: only the tensors in their order remain

  struct Loose {
    std::vector<std::size_t> keys;
    std::vector<std::string> kinds;
  };

  static Loose loose_keys(const KeyTree& tree, const Nodes& nodes) {
    Loose out;
    for (const std::size_t node : nodes) {
      for (const std::size_t key : tree.keys_below(node)) {
        if (tree.name(key).components.back() != kBatchCounter) out.keys.push_back(key);
      }
    }
    std::sort(out.keys.begin(), out.keys.end());
    for (const std::size_t key : out.keys) out.kinds.push_back(tree.kind_of(key));
    return out;
  }

  // All that is left on one side, tensor by tensor, is all that is left on the other.
  void pair_whole(Children& children) {
    if (!order_known_ || children.sources.empty() || children.targets.empty()) return;
    const Loose sources = loose_keys(s_, children.sources);
    const Loose targets = loose_keys(t_, children.targets);
    if (sources.keys.empty() || sources.kinds != targets.kinds) return;
    std::map<std::string, std::pair<std::vector<std::string>, std::vector<std::string>>> names;
    for (std::size_t i = 0; i < sources.keys.size(); ++i) {
      auto& [own, wanted] = names[sources.kinds[i]];
      own.push_back(layer_name(s_, sources.keys[i]));
      wanted.push_back(layer_name(t_, targets.keys[i]));
      if (own.size() > kMostOfOneKind) return;
    }
    for (const auto& [kind, both] : names) {
      if (any_contradicts(both.first, both.second)) return;
    }
    for (const auto& [s, t] : children.common) {
      const auto below = s_.keys_below(s);
      const bool is_alike = std::any_of(below.begin(), below.end(),
                                        [&](std::size_t key) { return names.contains(s_.kind_of(key)); });
      if (is_alike && count_before(s_, sources.keys, s) != count_before(t_, targets.keys, t)) return;
    }
    for (std::size_t i = 0; i < sources.keys.size(); ++i)
      pair_keys(sources.keys[i], targets.keys[i], std::max(children.rule, MatchRule::kOrder));
    children.sources.clear();
    children.targets.clear();
  }

  // The tensor's own name is part of its kind.
  static std::string layer_name(const KeyTree& tree, std::size_t key) {
    auto components = tree.name(key).components;
    components.pop_back();
    return joined(components);
  }

  static std::size_t count_before(const KeyTree& tree, const std::vector<std::size_t>& keys,
                                  std::size_t node) {
    const auto below = tree.keys_below(node);
    return static_cast<std::size_t>(
        std::count_if(keys.begin(), keys.end(), [&](std::size_t key) { return key < below.front(); }));
  }

  static constexpr std::size_t kLeafIds = std::size_t{1} << 62;  // apart from the ids of the trees

  KeyTree& s_;
  KeyTree& t_;
  bool order_known_;
  Interner leaves_;
  std::vector<Open> open_;
  // Of the pair of nodes that is being looked at.
  std::vector<Open> tentative_;
  std::vector<std::pair<std::size_t, Nodes>> unclear_;
  LayerMatches out_;
};

}  // namespace

LayerMatches match_layers(KeyTree& sources, std::size_t source_root, KeyTree& targets,
                          std::size_t target_root, bool order_known) {
  return Matcher(sources, targets, order_known).run(source_root, target_root);
}

}  // namespace sconce::toolbox
