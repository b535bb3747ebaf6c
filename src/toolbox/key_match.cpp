#include "sconce/toolbox/key_match.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "sconce/base/error.h"
#include "sconce/state/state_dict.h"
#include "sconce/toolbox/key_names.h"
#include "toolbox/key_tree.h"
#include "toolbox/layer_match.h"

namespace sconce::toolbox {
namespace {

using Components = std::vector<std::string>;

constexpr std::size_t kMostCandidates = 8;

bool is_turned(const Shape& a, const Shape& b) {
  return a.size() == 2 && b.size() == 2 && a[0] == b[1] && a[1] == b[0] && a != b;
}

// PyTorch takes one element for a scalar, not the other way round.
bool is_scalar_of(const Shape& source, const Shape& target) {
  return target.empty() && source.size() == 1 && source[0] == 1;
}

std::string with_dot(const std::string& prefix) { return prefix.empty() ? prefix : prefix + "."; }

class Matching {
 public:
  Matching(const std::vector<KeyInfo>& targets, const std::vector<KeyInfo>& sources,
           const MatchOptions& options)
      : targets_(targets),
        sources_(sources),
        options_(options),
        source_tree_(sources, canonical_keys(sources), interner_),
        target_tree_(targets, canonical_keys(targets), interner_),
        target_match_(targets.size()),
        target_taken_(targets.size()),
        source_taken_(sources.size()),
        is_mapped_(targets.size()) {}

  KeyMatching run() {
    apply_map();
    source_tree_.build(outside_or(source_taken_));
    target_tree_.build(is_mapped_);
    match_trees();
    doubt_accidental_fits();
    match_counters();
    match_tied();
    return finish();
  }

 private:
  // ---- what the caller says

  void apply_map() {
    std::unordered_map<std::string, std::size_t> target_names;
    std::unordered_map<std::string, std::size_t> source_names;
    for (std::size_t i = 0; i < targets_.size(); ++i) target_names.emplace(targets_[i].name, i);
    for (std::size_t i = 0; i < sources_.size(); ++i) source_names.emplace(sources_[i].name, i);
    for (const MapEntry& entry : options_.map) {
      const auto target = target_names.find(entry.target);
      require(target != target_names.end(), ErrorCode::kInvalidArgument, "map", "the target has no tensor '",
              escaped(entry.target), "'", hint(entry.target, targets_));
      require(!is_mapped_[target->second], ErrorCode::kInvalidArgument, "map", "'", escaped(entry.target),
              "' is mapped twice");
      is_mapped_[target->second] = true;
      KeyMatch match;
      match.target = target->second;
      match.rule = MatchRule::kMap;
      match.transpose = entry.transpose;
      if (entry.source) {
        const auto source = source_names.find(*entry.source);
        require(source != source_names.end(), ErrorCode::kInvalidArgument, "map", "the file has no tensor '",
                escaped(*entry.source), "'", hint(*entry.source, sources_));
        match.source = source->second;
        source_taken_[source->second] = true;
        check_shapes(match);
      }
      take(match);
    }
  }

  void check_shapes(KeyMatch& match) const {
    const KeyInfo& source = sources_[*match.source];
    const KeyInfo& target = targets_[match.target];
    if (match.transpose) {
      const bool fits = source.shape.size() == 2 && target.shape.size() == 2 &&
                        source.shape[0] == target.shape[1] && source.shape[1] == target.shape[0];
      require(fits, ErrorCode::kInvalidArgument, "map", "'", escaped(source.name), "' ", source.shape,
              " transposed does not fit '", escaped(target.name), "' ", target.shape);
      return;
    }
    match.reshape = is_scalar_of(source.shape, target.shape);
    require(match.reshape || source.shape == target.shape, ErrorCode::kInvalidArgument, "map", "'",
            escaped(source.name), "' ", source.shape, " does not fit '", escaped(target.name), "' ",
            target.shape);
  }

  static std::string hint(const std::string& name, const std::vector<KeyInfo>& keys) {
    std::vector<std::string> names;
    names.reserve(keys.size());
    for (const KeyInfo& key : keys) names.push_back(key.name);
    const auto near = nearest_name(name, names);
    return near ? cat("; did you mean '", escaped(*near), "'?") : std::string();
  }

  std::vector<bool> outside_or(std::vector<bool> taken) const {
    if (!options_.source_prefix || options_.source_prefix->empty()) return taken;
    const std::string prefix = with_dot(*options_.source_prefix);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (!sources_[i].name.starts_with(prefix)) taken[i] = true;
    }
    return taken;
  }

  // ---- prefixes

  // How many names of `inner` are names of `outer` below each prefix.
  static std::map<Components, std::size_t> votes(const KeyTree& outer, const std::vector<bool>& outer_taken,
                                                 const KeyTree& inner, const std::vector<bool>& inner_taken) {
    std::unordered_map<std::string, std::size_t> names;
    for (std::size_t i = 0; i < inner.size(); ++i) {
      if (!inner_taken[i]) names.emplace(joined(inner.name(i).components), i);
    }
    std::map<Components, std::size_t> out;
    for (std::size_t i = 0; i < outer.size(); ++i) {
      if (outer_taken[i]) continue;
      const Components& components = outer.name(i).components;
      for (std::size_t length = 0; length < components.size(); ++length) {
        const auto split = components.begin() + static_cast<std::ptrdiff_t>(length);
        const auto found = names.find(joined({split, components.end()}));
        if (found != names.end() && outer.info(i).shape == inner.info(found->second).shape)
          ++out[{components.begin(), split}];
      }
    }
    return out;
  }

  struct Roots {
    Components source;
    Components target;
  };

  // The pair of prefixes under which most names agree; nullopt when none does, or when it is unclear.
  std::optional<Roots> roots_by_votes() {
    const std::vector<bool> taken = outside_or(source_taken_);
    std::vector<std::tuple<std::size_t, Components, bool>> ranked;  // votes, prefix, is the target's
    for (const auto& [prefix, count] : votes(source_tree_, taken, target_tree_, is_mapped_))
      ranked.emplace_back(count, prefix, false);
    for (const auto& [prefix, count] : votes(target_tree_, is_mapped_, source_tree_, taken)) {
      if (!prefix.empty()) ranked.emplace_back(count, prefix, true);
    }
    if (ranked.empty()) return std::nullopt;
    const std::size_t most =
        std::get<0>(*std::max_element(ranked.begin(), ranked.end(), [](const auto& x, const auto& y) {
          return std::get<0>(x) < std::get<0>(y);
        }));
    std::erase_if(ranked, [&](const auto& entry) { return std::get<0>(entry) < most; });
    // A few names may agree below some prefix by accident; where they all are one, they agree in numbers.
    if (2 * most < wanted_count())
      std::erase_if(ranked, [](const auto& entry) { return !std::get<1>(entry).empty(); });
    if (ranked.empty()) return std::nullopt;
    const auto roots_of = [](const auto& entry) {
      const auto& [count, prefix, is_target] = entry;
      return is_target ? Roots{{}, prefix} : Roots{prefix, {}};
    };
    for (const auto& entry : ranked) {
      if (std::get<1>(entry).empty()) return roots_of(entry);
    }
    if (ranked.size() > 1) {  // usual names go before model_ema and best_model
      std::vector<std::tuple<std::size_t, Components, bool>> usual;
      std::copy_if(ranked.begin(), ranked.end(), std::back_inserter(usual), [](const auto& entry) {
        const Components& prefix = std::get<1>(entry);
        return std::all_of(prefix.begin(), prefix.end(), is_usual_container);
      });
      if (usual.size() != 1) {
        for (const auto& entry : ranked) out_.ambiguous_prefixes.push_back(joined(std::get<1>(entry)));
        return std::nullopt;
      }
      ranked = usual;
    }
    return roots_of(ranked.front());
  }

  std::size_t wanted_count() const {
    return static_cast<std::size_t>(std::count(is_mapped_.begin(), is_mapped_.end(), false));
  }

  // Into the usual container of a checkpoint.
  static std::size_t descend(const KeyTree& tree) {
    std::size_t at = KeyTree::kRoot;
    while (true) {
      std::vector<std::size_t> next;
      for (const std::size_t child : tree.node(at).children) {
        if (is_usual_container(tree.node(child).component) && !tree.is_leaf(child)) next.push_back(child);
      }
      if (next.size() != 1) return at;
      at = next.front();
    }
  }

  // Where no names agree: the one place whose layers have all the shapes of the whole other side, or the
  // usual container, or the top.
  std::pair<std::size_t, std::size_t> roots_by_shapes(bool order_known) {
    const auto alike = [&](KeyTree& inside, KeyTree& whole) {
      const std::size_t id = whole.weak_id(KeyTree::kRoot, order_known);
      std::vector<std::size_t> found;
      for (std::size_t node = 0; node < inside.node_count(); ++node) {
        if (!inside.is_leaf(node) && inside.weak_id(node, order_known) == id) found.push_back(node);
      }
      return found;
    };
    const auto sources = alike(source_tree_, target_tree_);
    if (sources.size() == 1) return {sources.front(), KeyTree::kRoot};
    const auto targets = alike(target_tree_, source_tree_);
    if (targets.size() == 1) return {KeyTree::kRoot, targets.front()};
    return {descend(source_tree_), KeyTree::kRoot};
  }

  // ---- the trees

  void match_trees() {
    const bool order_known = options_.source_order_known && options_.target_order_known;
    std::size_t source_root = KeyTree::kRoot;
    std::size_t target_root = KeyTree::kRoot;
    if (const auto roots = roots_by_votes()) {
      source_root = *source_tree_.find(roots->source);
      target_root = *target_tree_.find(roots->target);
    } else if (out_.ambiguous_prefixes.empty()) {
      std::tie(source_root, target_root) = roots_by_shapes(order_known);
    } else {
      return;
    }
    const LayerMatches found =
        match_layers(source_tree_, source_root, target_tree_, target_root, order_known);
    const Components source_path = source_tree_.path(source_root);
    const Components target_path = target_tree_.path(target_root);
    is_prefix_usual_ = std::all_of(source_path.begin(), source_path.end(), is_usual_container) &&
                       std::all_of(target_path.begin(), target_path.end(), is_usual_container);
    out_.source_prefix = with_dot(joined(source_path));
    out_.target_prefix = with_dot(joined(target_path));
    for (const MatchedPair& pair : found.pairs) take_pair(pair, false, false);
    for (const MatchedPair& pair : found.mismatched) take_mismatch(pair);
    for (const auto& [target, candidates] : found.ambiguous) note_ambiguous(target, candidates);
  }

  void take_pair(const MatchedPair& pair, bool transpose, bool reshape) {
    if (source_taken_[pair.source]) return;
    source_taken_[pair.source] = true;
    MatchRule rule = pair.rule;
    if (sources_[pair.source].name == targets_[pair.target].name) {
      rule = MatchRule::kExact;
    } else if (rule == MatchRule::kExact) {
      const bool is_norm =
          source_tree_.name(pair.source).is_weight_norm != target_tree_.name(pair.target).is_weight_norm;
      rule = is_norm ? MatchRule::kWeightNorm : MatchRule::kPrefix;
    }
    take({pair.target, pair.source, rule, transpose, reshape});
  }

  void take_mismatch(const MatchedPair& pair) {
    const Shape& source = sources_[pair.source].shape;
    const Shape& target = targets_[pair.target].shape;
    if (is_scalar_of(source, target)) return take_pair(pair, false, true);
    if (is_turned(source, target) && options_.allow_transpose) return take_pair(pair, true, false);
    problems_[pair.target] = {is_turned(source, target) ? NoMatch::kTransposed : NoMatch::kShape,
                              {pair.source}};
  }

  // The candidates for each tensor of an unclear layer: those at the same place in the layers that might be
  // it.
  void note_ambiguous(std::size_t target_node, const std::vector<std::size_t>& source_nodes) {
    for (const std::size_t target : target_tree_.keys_below(target_node)) {
      std::vector<std::size_t> candidates;
      for (const std::size_t node : source_nodes) {
        std::optional<std::size_t> same_place;
        std::vector<std::size_t> same_kind;
        for (const std::size_t source : source_tree_.keys_below(node)) {
          if (source_tree_.info(source).shape != target_tree_.info(target).shape) continue;
          if (source_tree_.relative(node, source) == target_tree_.relative(target_node, target))
            same_place = source;
          if (source_tree_.kind_of(source) == target_tree_.kind_of(target)) same_kind.push_back(source);
        }
        if (same_place) same_kind = {*same_place};
        if (same_kind.empty() && source_tree_.is_leaf(node)) same_kind = {*source_tree_.node(node).key};
        candidates.insert(candidates.end(), same_kind.begin(), same_kind.end());
      }
      if (candidates.size() > kMostCandidates) candidates.resize(kMostCandidates);
      problems_[target] = {NoMatch::kAmbiguous, std::move(candidates)};
    }
  }

  // ---- what fits by accident

  // A new name or number was taken for an old one because nothing else fits. Where another target fits as
  // well and got nothing, either may be the one that is absent.
  void doubt_accidental_fits() {
    while (doubt_once()) {
    }
  }

  bool doubt_once() {
    std::unordered_map<std::string, std::size_t> left;           // what it is -> a target that got nothing
    std::unordered_map<std::string, std::size_t> left_in_lists;  // the same and its name without the numbers
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (target_taken_[i] || is_mapped_[i]) continue;
      left.emplace(what_it_is(i), i);
      left_in_lists.emplace(what_it_is_in_lists(i), i);
    }
    if (left.empty()) return false;
    const bool is_prefix_weak = !is_prefix_usual_ && layers_by_prefix() == 1;
    std::vector<std::pair<std::size_t, std::size_t>> doubtful;  // target with a match, target without
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const auto& match = target_match_[i];
      if (!match || !match->source || match->transpose || match->reshape) continue;
      const auto find_rival = [&](const auto& among, const std::string& text) {
        if (const auto rival = among.find(text); rival != among.end())
          doubtful.emplace_back(i, rival->second);
      };
      const bool is_weak = match->rule == MatchRule::kOnlyFit || match->rule == MatchRule::kOrder ||
                           (match->rule == MatchRule::kPrefix && is_prefix_weak);
      if (is_weak) {
        find_rival(left, what_it_is(i));
      } else if (match->rule == MatchRule::kNumbering) {
        find_rival(left_in_lists, what_it_is_in_lists(i));
      }
    }
    for (const auto& [target, rival] : doubtful) {
      const std::size_t source = *target_match_[target]->source;
      problems_[target] = {NoMatch::kAmbiguous, {source}};
      problems_.try_emplace(rival, NoMatch::kAmbiguous, std::vector<std::size_t>{source});
      source_taken_[source] = false;
      target_taken_[target] = false;
      target_match_[target].reset();
    }
    return !doubtful.empty();
  }

  // How many layers agree that a prefix is one: a single one may be another layer of that name.
  std::size_t layers_by_prefix() const {
    std::set<Components> layers;
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (!target_match_[i] || target_match_[i]->rule != MatchRule::kPrefix) continue;
      const Components& components = target_tree_.name(i).components;
      layers.emplace(components.begin(), components.end() - 1);
    }
    return layers.size();
  }

  std::string what_it_is(std::size_t target) const {
    const KeyInfo& info = targets_[target];
    return cat(target_tree_.kind_of(target), " ", info.dtype, " ", info.shape);
  }
  // Equal for what could change places by other numbers.
  std::string what_it_is_in_lists(std::size_t target) const {
    Components components = target_tree_.name(target).components;
    for (std::string& component : components) {
      if (is_number(component)) component.assign(1, '#');
    }
    return cat(joined(components), " ", what_it_is(target));
  }
  static bool is_number(const std::string& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  // ---- what is absent and known all the same

  // A batch norm's counter goes where its running mean went, or begins at 0.
  void match_counters() {
    std::map<Components, std::size_t> target_means;
    std::map<Components, std::size_t> source_counters;
    const auto layer_of = [](const CanonicalKey& key) {
      return Components(key.components.begin(), key.components.end() - 1);
    };
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (target_tree_.name(i).components.back() == "running_mean")
        target_means.emplace(layer_of(target_tree_.name(i)), i);
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (source_tree_.name(i).components.back() == kBatchCounter)
        source_counters.emplace(layer_of(source_tree_.name(i)), i);
    }
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (target_taken_[i] || target_tree_.name(i).components.back() != kBatchCounter) continue;
      if (targets_[i].dtype != kInt64 || !targets_[i].shape.empty()) continue;
      const auto mean = target_means.find(layer_of(target_tree_.name(i)));
      if (mean == target_means.end() || !target_match_[mean->second]) continue;
      const KeyMatch& match = *target_match_[mean->second];
      if (!match.source) continue;
      const auto counter = source_counters.find(layer_of(source_tree_.name(*match.source)));
      if (counter == source_counters.end()) {
        take({i, std::nullopt, MatchRule::kFilled, false, false});
      } else if (!source_taken_[counter->second] && sources_[counter->second].shape.empty()) {
        take_pair({counter->second, i, match.rule}, false, false);
      }
    }
  }

  void match_tied() {
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (target_taken_[i] || !targets_[i].tied_to) continue;
      const auto& first = target_match_[*targets_[i].tied_to];
      if (!first || !first->source || targets_[*targets_[i].tied_to].shape != targets_[i].shape) continue;
      take({i, first->source, MatchRule::kTied, first->transpose, first->reshape});
    }
    // The one that was found may be the later of the two.
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (!targets_[i].tied_to || !target_match_[i] || !target_match_[i]->source) continue;
      const std::size_t first = *targets_[i].tied_to;
      if (target_taken_[first] || targets_[first].shape != targets_[i].shape) continue;
      take({first, target_match_[i]->source, MatchRule::kTied, target_match_[i]->transpose,
            target_match_[i]->reshape});
    }
  }

  void take(const KeyMatch& match) {
    target_match_[match.target] = match;
    target_taken_[match.target] = true;
  }

  KeyMatching finish() {
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (target_match_[i]) {
        out_.matches.push_back(*target_match_[i]);
        continue;
      }
      UnmatchedKey unmatched;
      unmatched.target = i;
      if (const auto problem = problems_.find(i); problem != problems_.end()) {
        unmatched.reason = problem->second.first;
        unmatched.candidates = problem->second.second;
      }
      out_.unmatched.push_back(std::move(unmatched));
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (!source_taken_[i]) out_.extra.push_back(i);
    }
    return std::move(out_);
  }

  const std::vector<KeyInfo>& targets_;
  const std::vector<KeyInfo>& sources_;
  const MatchOptions& options_;
  Interner interner_;
  KeyTree source_tree_;
  KeyTree target_tree_;
  std::vector<std::optional<KeyMatch>> target_match_;
  std::vector<bool> target_taken_;
  std::vector<bool> source_taken_;
  std::vector<bool> is_mapped_;
  std::map<std::size_t, std::pair<NoMatch, std::vector<std::size_t>>> problems_;
  bool is_prefix_usual_ = true;
  KeyMatching out_;
};

}  // namespace

std::string_view match_rule_name(MatchRule rule) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "map", "exact", "prefix", "weight-norm", "numbering", "only-fit", "order", "tied", "filled"};
  return kNames.at(static_cast<std::size_t>(rule));
}

std::string_view no_match_name(NoMatch reason) {
  static constexpr std::array<std::string_view, 4> kNames = {"absent", "shape", "transposed", "ambiguous"};
  return kNames.at(static_cast<std::size_t>(reason));
}

KeyMatching match_keys(const std::vector<KeyInfo>& targets, const std::vector<KeyInfo>& sources,
                       const MatchOptions& options) {
  return Matching(targets, sources, options).run();
}

}  // namespace sconce::toolbox
