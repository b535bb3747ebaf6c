#include "sconce/toolbox/repair.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/toolbox/key_names.h"
#include "sconce/toolbox/leaves.h"
#include "sconce/toolbox/state_dict_place.h"

namespace sconce::toolbox {
namespace {

using checkpoint::Format;
using checkpoint::Listing;
using checkpoint::NamedLeaf;
using checkpoint::NamedLimits;
using checkpoint::TensorInfo;

std::string module_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? std::string() : name.substr(0, dot);
}

std::string joined(const std::string& prefix, const std::string& name) {
  if (prefix.empty() || name.empty()) return prefix + name;
  return prefix + "." + name;
}

// Names of the dicts that are an optimizer's.
std::vector<std::string> optimizer_prefixes(const Listing& listing) {
  std::vector<std::string> out;
  for_each_leaf(
      listing, [](const NamedLeaf&) {},
      [&](const NamedLeaf& container) {
        if (is_optimizer_state(container.value)) out.push_back(container.name);
      });
  return out;
}

bool is_below(const std::string& name, const std::string& prefix) {
  return prefix.empty() ||
         (name.size() > prefix.size() && name.starts_with(prefix) && name[prefix.size()] == '.');
}

// The versions that a tree's `_metadata` record, under the full dotted names of modules.
std::map<std::string, std::int64_t> versions_in(const Value& tree, const NamedLimits& limits) {
  std::map<std::string, std::int64_t> out;
  for_each_leaf(
      tree, limits, [](const NamedLeaf&) {},
      [&](const NamedLeaf& container) {
        const auto metadata = container.value.attribute("_metadata");
        if (!metadata || !metadata->is_dict()) return;
        for (const auto& [module, entry] : metadata->items()) {
          if (!module.is_string() || !entry.is_dict()) continue;
          const auto version = entry.find("version");
          if (version && version->is_int() && !version->is_big_int())
            out[joined(container.name, module.as_string())] = version->as_int();
        }
      });
  return out;
}

}  // namespace

bool is_in_model_order(const Listing& listing) {
  switch (listing.format) {
    case Format::kTorchZip:
    case Format::kTorchLegacy:
    case Format::kTorchTar:
    case Format::kTorchScript:
    case Format::kTorchIndex:
      break;
    default:
      return false;
  }
  // A file that came from safetensors has each dtype's names in alphabetical order; two names prove nothing.
  std::map<DType, std::vector<std::string>> names;
  for (const TensorInfo& info : listing.tensors) names[info.dtype].push_back(info.name);
  return std::any_of(names.begin(), names.end(), [](const auto& entry) {
    return !std::is_sorted(entry.second.begin(), entry.second.end());
  });
}

RepairTarget target_of(const Listing& like, const std::string& key) {
  const auto optimizers = optimizer_prefixes(like);
  const Value tree = checkpoint::recover_modules(like.tree, like.walk).value;
  const StateDictPlace place = find_state_dict(tree, key, like.walk);
  RepairTarget out;
  out.order_known = is_in_model_order(like);
  std::map<std::pair<std::size_t, std::string>, std::size_t> first;  // storage and geometry -> key
  for (const TensorInfo& info : like.tensors) {
    if (!info.role.empty() || !is_below(info.name, place.name)) continue;
    if (std::any_of(optimizers.begin(), optimizers.end(),
                    [&](const std::string& prefix) { return is_below(info.name, prefix); }))
      continue;
    KeyInfo wanted;
    wanted.name = place.name.empty() ? info.name : info.name.substr(place.name.size() + 1);
    wanted.dtype = info.dtype;
    wanted.shape = info.geometry.shape;
    const std::string geometry = cat(dtype_name(info.dtype), " ", info.geometry.offset, " ",
                                     info.geometry.shape.str(), " ", Shape(info.geometry.strides).str());
    const auto [at, is_new] = first.try_emplace({info.storage, geometry}, out.keys.size());
    if (!is_new && info.storage_bytes > 0) wanted.tied_to = at->second;
    out.keys.push_back(std::move(wanted));
  }
  if (place.dict.attribute("_metadata")) {
    out.versions.emplace();
    const auto metadata = *place.dict.attribute("_metadata");
    if (metadata.is_dict()) {
      for (const auto& [module, entry] : metadata.items()) {
        const auto version = entry.is_dict() ? entry.find("version") : std::nullopt;
        if (module.is_string() && version && version->is_int() && !version->is_big_int())
          out.versions->emplace_back(module.as_string(), version->as_int());
      }
    }
  }
  return out;
}

bool RepairPlan::is_identity() const {
  return matching.is_complete() && matching.extra.empty() && left_aside == 0 &&
         std::all_of(matching.matches.begin(), matching.matches.end(), [](const KeyMatch& match) {
           return match.rule == MatchRule::kExact && !match.transpose && !match.reshape;
         });
}

RepairPlan plan_repair(const Listing& file, RepairTarget target, const RepairOptions& options) {
  RepairPlan out;
  out.target = std::move(target);
  out.walk = file.walk;
  const auto optimizers = optimizer_prefixes(file);
  for (const TensorInfo& info : file.tensors) {
    const bool is_optimizers =
        std::any_of(optimizers.begin(), optimizers.end(),
                    [&](const std::string& prefix) { return is_below(info.name, prefix); });
    if (!info.role.empty() || is_optimizers) {
      ++out.left_aside;
      continue;
    }
    KeyInfo source;
    source.name = info.name;
    source.dtype = info.dtype;
    source.shape = info.geometry.shape;
    out.sources.push_back(std::move(source));
  }
  MatchOptions wanted;
  wanted.source_order_known = is_in_model_order(file);
  wanted.target_order_known = out.target.order_known;
  wanted.allow_transpose = options.allow_transpose;
  wanted.map = options.map;
  wanted.source_prefix = options.state_dict;
  out.matching = match_keys(out.target.keys, out.sources, wanted);
  return out;
}

namespace {

class Application {
 public:
  Application(const Value& loaded, const RepairPlan& plan, const ApplyOptions& options)
      : plan_(plan), options_(options) {
    checkpoint::Recovery recovery = checkpoint::recover_modules(loaded, plan.walk);
    loaded_ = recovery.value;
    out_.notes = std::move(recovery.notes);
    for (const NamedLeaf& leaf : checkpoint::named_arrays(loaded_, plan.walk))
      leaves_.emplace(leaf.name, leaf);
    for (const KeyMatch& match : plan.matching.matches) {
      if (match.source) ++uses_[leaf_of(*match.source).value.as_array().storage().id()];
    }
  }

  RepairedState run() {
    Value state = Value::ordered_dict();
    for (const KeyMatch& match : plan_.matching.matches)
      state.set_item(plan_.target.keys[match.target].name, value_of(match));
    if (options_.keep_extra) add_extra(state);
    add_metadata(state);
    out_.state = options_.whole ? in_place(state) : state;
    return std::move(out_);
  }

 private:
  const NamedLeaf& leaf_of(std::size_t source) const {
    const KeyInfo& info = plan_.sources[source];
    const auto found = leaves_.find(info.name);
    const bool is_there = found != leaves_.end() && found->second.value.is_array() &&
                          found->second.value.as_array().defined() &&
                          found->second.value.as_array().shape() == info.shape &&
                          found->second.value.as_array().dtype() == info.dtype;
    require(is_there, ErrorCode::kState, "repair", "the file has changed since it was listed: '",
            escaped(info.name), "' is not what it was");
    return found->second;
  }

  Value value_of(const KeyMatch& match) {
    const KeyInfo& target = plan_.target.keys[match.target];
    if (!match.source) return Array::zeros(target.shape, target.dtype);
    const Value& value = leaf_of(*match.source).value;
    TensorLeaf leaf = value.as_tensor();
    const bool is_alone = uses_[leaf.array.storage().id()] == 1;
    if (match.transpose) {
      leaf.array = leaf.array.transpose(0, 1).clone();
    } else if (match.reshape) {
      leaf.array = leaf.array.reshape(target.shape);
    } else if (is_alone && leaf.array.nbytes() < leaf.array.storage().size()) {
      // A piece of a larger buffer that nothing else needs.
      leaf.array = leaf.array.clone();
    } else {
      return value;
    }
    return leaf;
  }

  void add_extra(Value& state) {
    const std::string& prefix = plan_.matching.source_prefix;
    for (const std::size_t extra : plan_.matching.extra) {
      const std::string& name = plan_.sources[extra].name;
      std::string kept = without_wrappers(name);  // as the prefix is
      if (kept.starts_with(prefix)) kept.erase(0, prefix.size());
      if (state.contains(kept)) {
        out_.notes.push_back(cat("left out ", escaped(name), ": the target has another tensor of this name"));
      } else {
        state.set_item(kept, leaf_of(extra).value);
      }
    }
  }

  // The version of a module is that of the code which wrote its data.
  void add_metadata(Value& state) {
    const auto recorded = versions_in(loaded_, plan_.walk);
    if (!plan_.target.versions && recorded.empty()) return;
    std::map<std::string, std::string> module_sources;
    for (const KeyMatch& match : plan_.matching.matches) {
      if (match.source)
        module_sources.emplace(module_of(plan_.target.keys[match.target].name),
                               module_of(plan_.sources[*match.source].name));
    }
    Value metadata = Value::ordered_dict();
    const auto add = [&](const std::string& module, std::optional<std::int64_t> version) {
      if (const auto source = module_sources.find(module); source != module_sources.end()) {
        if (const auto known = recorded.find(source->second); known != recorded.end())
          version = known->second;
      }
      if (version) metadata.set_item(module, Value::dict({{"version", *version}}));
    };
    if (plan_.target.versions) {
      for (const auto& [module, version] : *plan_.target.versions) add(module, version);
    } else {
      add("", 1);
      for (const KeyInfo& key : plan_.target.keys) add(module_of(key.name), std::nullopt);
    }
    state.set_attribute("_metadata", metadata);
  }

  // The file with `state` where its tensors came from.
  Value in_place(const Value& state) const {
    std::optional<std::vector<Value>> path;
    std::string place;
    for (const KeyMatch& match : plan_.matching.matches) {
      if (!match.source) continue;
      const NamedLeaf& leaf = leaf_of(*match.source);
      std::vector<Value> parent(leaf.path.begin(), leaf.path.end() - (leaf.path.empty() ? 0 : 1));
      std::string name;
      for (const Value& key : parent) name += cat(name.empty() ? "" : ".", checkpoint::key_name(key));
      if (!path) {
        path = std::move(parent);
        place = name;
      }
      require(place == name, ErrorCode::kUnsupported, "repair", "the tensors come from several dicts ('",
              escaped(place), "', '", escaped(name), "'), so there is no one place to put them back");
    }
    if (!path || path->empty()) return state;
    Value parent = loaded_;
    for (std::size_t i = 0; i + 1 < path->size(); ++i) {
      require(parent.is_dict(), ErrorCode::kUnsupported, "repair", "the state_dict stands in a ",
              value_kind_name(parent.kind()), ", not in a dict");
      parent = *parent.find((*path)[i]);
    }
    require(parent.is_dict(), ErrorCode::kUnsupported, "repair", "the state_dict stands in a ",
            value_kind_name(parent.kind()), ", not in a dict");
    parent.set_item(path->back(), state);
    return loaded_;
  }

  Value loaded_;  // with state_dicts in the places of modules
  const RepairPlan& plan_;
  const ApplyOptions& options_;
  std::unordered_map<std::string, NamedLeaf> leaves_;
  std::unordered_map<const void*, std::size_t> uses_;
  RepairedState out_;
};

}  // namespace

RepairedState apply_repair(const Value& loaded, const RepairPlan& plan, const ApplyOptions& options) {
  return Application(loaded, plan, options).run();
}

}  // namespace sconce::toolbox
