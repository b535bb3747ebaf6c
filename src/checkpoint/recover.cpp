// formats.md C: the procedure that finds a module's state_dict in its pickle.
#include "sconce/checkpoint/recover.h"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "checkpoint/module_stack.h"
#include "checkpoint/module_state.h"
#include "checkpoint/module_versions.h"
#include "checkpoint/notes.h"
#include "sconce/base/error.h"
#include "sconce/checkpoint/objects.h"
#include "sconce/state/python_class.h"

namespace sconce::checkpoint {
namespace {

// What BUILD set under `name`: states are dicts, or pairs of a dict and slots.
std::optional<Value> state_item(const Value& object, std::string_view name) {
  std::optional<Value> out;
  for (const Value& state : object.object_states()) {
    const bool is_pair = state.is_tuple() && state.size() == 2 && state.at(0).is_dict();
    const Value dict = is_pair ? state.at(0) : state;
    if (!dict.is_dict()) continue;
    if (auto found = dict.find(name)) out = std::move(found);
  }
  return out;
}

std::vector<Value::Pair> items_of(const std::optional<Value>& dict) {
  return dict && dict->is_dict() ? dict->items() : std::vector<Value::Pair>{};
}

bool is_call_of(const Value& value, std::string_view module, std::string_view name) {
  return value.is_object() && value.object_kind() != ObjectKind::kGlobal && value.global_module() == module &&
         value.global_name() == name;
}

// A state that is no dict of attributes, or one that holds weights packed for a backend (quantized modules).
bool is_custom_state(const Value& state) {
  const bool is_pair = state.is_tuple() && state.size() == 2 && state.at(0).is_dict();
  if (!state.is_dict() && !is_pair) return true;
  const auto items = is_pair ? state.at(0).items() : state.items();
  return std::ranges::any_of(
      items, [](const Value::Pair& item) { return is_call_of(item.second, "torch", "ScriptObject"); });
}

bool is_uninitialized(const Value& value) {
  return is_call_of(value, "torch.nn.parameter", "UninitializedParameter") ||
         is_call_of(value, "torch.nn.parameter", "UninitializedBuffer");
}

// Arrays, and objects that stand for tensors of kinds that have no array: meta, nested, subclasses.
bool is_tensor_like(const Value& value) {
  if (value.is_array() || value.is_sparse()) return true;
  if (!value.is_object() || value.object_kind() != ObjectKind::kReduce) return false;
  const std::string module = value.global_module();
  const std::string name = value.global_name();
  return (module == "torch._utils" || module == "torch._tensor") && name.starts_with("_rebuild_");
}

// Walks a module and those in it, with a stack of its own.
class ModuleWalk {
 public:
  explicit ModuleWalk(WalkBudget& budget) : budget_(budget) {}

  ModuleState run(const Value& root) {
    enter(root, "");
    while (const auto child = stack_.next()) {
      if (is_module(child->value)) {
        enter(child->value, child->name + ".");
      } else if (!child->value.is_none()) {
        budget_.visit();
        notes_.add(cat("class ", class_of(child->value), " keeps its state in its own way and is left out"),
                   child->name);
      }
    }
    out_.notes = notes_.list();
    return std::move(out_);
  }

 private:
  static std::string class_of(const Value& value) {
    return value.is_object() ? std::string(escaped(object_class(value)))
                             : std::string(value_kind_name(value.kind()));
  }

  void enter(const Value& module, const std::string& prefix) {
    budget_.visit();
    stack_.enter(module, prefix, items_of(state_item(module, "_modules")));
    const std::string place = ModuleStack::place_of(prefix);
    keep(out_.modules, place, module);
    add_notes(module, place);
    for (const auto& [key, value] : items_of(state_item(module, "_parameters"))) {
      add(value, cat(prefix, key_name(key)));
    }
    std::unordered_set<std::string> left_out;
    if (const auto names = state_item(module, "_non_persistent_buffers_set");
        names && (names->is_set() || names->is_list() || names->is_tuple())) {
      for (const Value& name : names->elements()) left_out.insert(key_name(name));
    }
    for (const auto& [key, value] : items_of(state_item(module, "_buffers"))) {
      const std::string name = key_name(key);
      if (!left_out.contains(name)) add(value, cat(prefix, name));
    }
  }

  void add(const Value& value, const std::string& name) {
    budget_.visit();
    if (value.is_none()) return;
    if (is_uninitialized(value)) {
      notes_.add("a lazy module never ran: uninitialised parameters are left out", name);
    } else if (is_tensor_like(value)) {
      keep(out_.entries, name, value);
    } else {
      notes_.add(cat(class_of(value), " in the place of a tensor is left out"), name);
    }
  }

  void keep(std::vector<ModuleState::Named>& list, const std::string& name, const Value& value) {
    budget_.keep(name.size(), 2);
    list.emplace_back(name, value);
  }

  void add_notes(const Value& module, const std::string& place) {
    const auto states = module.object_states();
    if (std::ranges::any_of(states, is_custom_state)) {
      notes_.add(cat("class ", class_of(module), " has custom state; result may be incomplete"), place);
    }
    for (const auto& [key, hook] : items_of(state_item(module, "_state_dict_hooks"))) {
      if (spectral_norm_of(hook)) continue;
      notes_.add(cat("class ", class_of(module), " changes its state_dict by a hook (", class_of(hook),
                     "); result may differ"),
                 place);
    }
  }

  WalkBudget& budget_;
  ModuleState out_;
  Notes notes_;
  ModuleStack stack_{"torch"};
};

// Puts state_dicts in the place of modules, over a copy of the containers.
class Recoverer {
 public:
  explicit Recoverer(const NamedLimits& limits) : limits_(limits), budget_(limits) {}

  Recovery run(const Value& root) {
    Recovery out{root, {}};
    look_through(root);
    if (holds_module_) {
      out.value = replacement(root);
      while (!unfilled_.empty()) {
        const auto [source, target] = unfilled_.front();
        unfilled_.pop_front();
        fill(source, target);
      }
    }
    out.notes = std::move(notes_);
    if (holds_shard_) add_shards(out);
    return out;
  }

 private:
  // A part is all there is to it: no other rank's file is looked for.
  void add_shards(Recovery& out) const {
    Notes notes;
    for (const NamedLeaf& leaf : named_arrays(out.value, limits_)) {
      if (!is_partial(leaf.value)) continue;
      notes.add(cat("of a DTensor placed ", escaped(placements_text(*leaf.value.as_tensor().shard_of)),
                    " only the part of the rank that wrote the file is here"),
                leaf.name);
    }
    for (std::string& note : notes.list()) out.notes.push_back(std::move(note));
  }

  static bool is_partial(const Value& value) {
    if (!value.is_array() || !value.as_tensor().shard_of) return false;
    const auto& placements = value.as_tensor().shard_of->placements;
    return placements.empty() || !std::ranges::all_of(placements, [](const std::string& placement) {
             return placement.starts_with("Replicate(");
           });
  }

  // Whether a module, and a part of a DTensor, is reached through containers.
  void look_through(const Value& root) {
    std::vector<Value> open{root};
    std::unordered_set<const void*> seen;
    while (!open.empty()) {
      const Value value = open.back();
      open.pop_back();
      holds_module_ |= is_module(value);
      if (is_partial(value)) holds_shard_ = true;
      if (!is_copied(value) || !seen.insert(value.id()).second) continue;
      if (value.is_dict()) {
        for (const auto& [key, item] : value.items()) open.push_back(item);
      } else {
        for (const Value& element : value.elements()) open.push_back(element);
      }
    }
  }

  static bool is_copied(const Value& value) { return value.is_dict() || value.is_list() || value.is_tuple(); }

  // Containers are filled later: they may hold themselves.
  Value replacement(const Value& value) {
    const bool is_replaced = is_module(value);
    if (!is_replaced && !is_copied(value)) return value;
    if (const auto found = done_.find(value.id()); found != done_.end()) return found->second;
    Value out = is_replaced        ? state_dict(value)
                : value.is_dict()  ? arena_.dict(value.is_ordered_dict())
                : value.is_tuple() ? arena_.tuple()
                                   : arena_.list();
    done_.emplace(value.id(), out);
    if (!is_replaced) unfilled_.emplace_back(value, out);
    return out;
  }

  void fill(const Value& source, Value target) {
    if (source.is_dict()) {
      for (const auto& [key, item] : source.items()) target.set_item(key, replacement(item));
      for (const auto& [name, item] : source.attributes()) target.set_attribute(name, replacement(item));
    } else {
      for (const Value& element : source.elements()) target.append(replacement(element));
    }
  }

  Value state_dict(const Value& module) {
    const ModuleState state = ModuleWalk(budget_).run(module);
    notes_.insert(notes_.end(), state.notes.begin(), state.notes.end());
    Value out = arena_.dict(true);
    for (const auto& [name, value] : state.entries) {
      if (is_partial(value)) holds_shard_ = true;
      out.set_item(name, detached(value, arena_));
    }
    Value metadata = arena_.dict(true);
    for (const auto& [prefix, part] : state.modules) metadata.set_item(prefix, local_metadata(part));
    out.set_attribute("_metadata", metadata);
    return out;
  }

  NamedLimits limits_;
  ValueArena arena_;
  WalkBudget budget_;
  bool holds_module_ = false;
  bool holds_shard_ = false;
  std::unordered_map<const void*, Value> done_;
  std::deque<std::pair<Value, Value>> unfilled_;
  std::vector<std::string> notes_;
};

}  // namespace

// A hook of torch.nn.utils.spectral_norm, which notes its version in `_metadata`: (name, version).
std::optional<std::pair<std::string, Value>> spectral_norm_of(const Value& hook) {
  if (!is_call_of(hook, "torch.nn.utils.spectral_norm", "SpectralNormStateDictHook")) return std::nullopt;
  const auto function = state_item(hook, "fn");
  if (!function || !is_call_of(*function, "torch.nn.utils.spectral_norm", "SpectralNorm"))
    return std::nullopt;
  const auto name = state_item(*function, "name");
  if (!name || !name->is_string()) return std::nullopt;
  return std::pair(cat(name->as_string(), ".version"), Value(1));
}

Value local_metadata(const Value& module) {
  const std::string owner = module.global_module();
  std::int64_t version = module_version(owner, module.global_name());
  // Set by modules that became an older version of themselves.
  if (const auto own = state_item(module, "_version"); own && own->is_int() && !own->is_big_int()) {
    version = own->as_int();
  }
  const auto tracks = state_item(module, "track_running_stats");
  const auto buffers = state_item(module, "_buffers");
  const auto has_buffer = [&](const char* name) {
    const auto found = buffers && buffers->is_dict() ? buffers->find(name) : std::nullopt;
    return found && !found->is_none();
  };
  if (tracks && has_buffer("running_mean")) {
    // A norm of PyTorch, or a class of someone else derived from one. Version 2 promises num_batches_tracked,
    // which modules pickled before 0.4.1 lack.
    if (!owner.starts_with("torch.")) version = 2;
    if (version == 2 && !has_buffer("num_batches_tracked")) version = 1;
  }
  Value out = Value::dict({{"version", version}});
  Value norms = Value::dict();
  for (const auto& [key, hook] : items_of(state_item(module, "_state_dict_hooks"))) {
    if (const auto norm = spectral_norm_of(hook)) norms.set_item(norm->first, norm->second);
  }
  if (norms.size() > 0) out.set_item("spectral_norm", norms);
  return out;
}

Value detached(const Value& value, const ValueArena& arena) {
  if (value.is_array()) {
    TensorLeaf leaf = value.as_tensor();
    leaf.requires_grad = leaf.is_parameter = false;
    return arena.array(std::move(leaf));
  }
  if (value.is_sparse()) {
    SparseLeaf leaf = value.as_sparse();
    leaf.requires_grad = leaf.is_parameter = false;
    return arena.sparse(std::move(leaf));
  }
  auto meta = meta_tensor(value);
  if (!meta) return value;
  meta->requires_grad = meta->is_parameter = false;
  return meta_value(*meta);
}

ModuleState module_state_within(const Value& module, WalkBudget& budget) {
  return ModuleWalk(budget).run(module);
}

std::vector<Value::Pair> child_modules(const Value& module) {
  auto out = items_of(state_item(module, "_modules"));
  std::erase_if(out, [](const Value::Pair& child) { return !child.second.is_object(); });
  return out;
}

bool is_module(const Value& value) {
  if (!value.is_object() || value.object_kind() == ObjectKind::kGlobal) return false;
  return std::ranges::any_of(value.object_states(), [](const Value& state) {
    const bool is_pair = state.is_tuple() && state.size() == 2;
    const Value dict = is_pair ? state.at(0) : state;
    return dict.is_dict() && dict.contains("_parameters") && dict.contains("_modules");
  });
}

ModuleState module_state(const Value& module, const NamedLimits& limits) {
  WalkBudget budget(limits);
  return ModuleWalk(budget).run(module);
}

Recovery recover_modules(const Value& root, const NamedLimits& limits) { return Recoverer(limits).run(root); }

}  // namespace sconce::checkpoint
