#include "checkpoint/torchscript_load.h"

#include <map>
#include <utility>

#include "checkpoint/module_state.h"
#include "checkpoint/tensor_store.h"
#include "checkpoint/torch_value.h"
#include "checkpoint/torchscript.h"
#include "checkpoint/zip_storages.h"

namespace sconce::checkpoint {
namespace {

constexpr std::string_view kConstants = "constants";

// Reads each source file once, when the first of its classes is asked for.
class ScriptSources {
 public:
  explicit ScriptSources(const TorchArchive& archive) : archive_(archive) {}

  const ScriptClass* find(const std::string& qualifier, const std::string& name) {
    auto at = files_.find(qualifier);
    if (at == files_.end()) {
      const auto code = archive_.read_code(script_source(qualifier));
      at = files_.emplace(qualifier, script_classes(code.value_or(""))).first;
    }
    const auto type = at->second.find(name);
    return type == at->second.end() ? nullptr : &type->second;
  }

 private:
  const TorchArchive& archive_;
  std::map<std::string, std::map<std::string, ScriptClass, std::less<>>> files_;
};

ModuleState state_of(const TorchArchive& archive, const Value& root, const NamedLimits& limits) {
  ScriptSources sources(archive);
  const auto find = [&](const std::string& qualifier, const std::string& name) {
    return sources.find(qualifier, name);
  };
  return script_state(root, find, limits);
}

// The storages in one folder of the archive, kept together with it.
std::shared_ptr<const StorageFile> storages_in(const std::shared_ptr<const TorchArchive>& archive,
                                               std::string_view folder) {
  struct Kept {
    std::shared_ptr<const TorchArchive> archive;
    ZipStorages storages;
  };
  const auto kept = std::make_shared<const Kept>(Kept{archive, ZipStorages(*archive, folder)});
  return {kept, &kept->storages};
}

// The tensors of constants.pkl: a tuple, other constants (strings, numbers) among them.
std::vector<Value> tensors_of(const Value& constants) {
  std::vector<Value> out;
  if (!constants.is_tuple()) return out;
  for (const Value& element : constants.elements()) {
    if (element.is_array() || element.is_sparse()) out.push_back(element);
  }
  return out;
}

// The tensors of the module and behind them those of the constants.
class ScriptStore : public detail::TensorStore {
 public:
  ScriptStore(const Listing& module, const Listing& constants, std::size_t first, const LoadOptions& options)
      : TensorStore(options), module_(module.store), constants_(constants.store), first_(first) {}

  Storage read(const TensorInfo& tensor) const override {
    if (tensor.storage < first_) return module_->read(tensor);
    TensorInfo constant = tensor;
    constant.storage -= first_;
    return constants_->read(constant);
  }

 private:
  std::shared_ptr<const detail::TensorStore> module_;
  std::shared_ptr<const detail::TensorStore> constants_;
  std::size_t first_;  // storage of the constants
};

// Adds the constants to the listing of the module.
void append(Listing& listing, const Listing& constants, const LoadOptions& options) {
  std::size_t first_storage = 0;
  for (const TensorInfo& tensor : listing.tensors)
    first_storage = std::max(first_storage, tensor.storage + 1);
  const std::size_t first_tensor = listing.tensors.size();
  listing.store = std::make_shared<ScriptStore>(listing, constants, first_storage, options);
  for (TensorInfo tensor : constants.tensors) {
    tensor.storage += first_storage;
    if (tensor.alias_of) *tensor.alias_of += first_tensor;
    listing.tensors.push_back(std::move(tensor));
  }
}

}  // namespace

// PyTorch loads every module of an archive as one class, whose version is 1.
Value script_state_dict(const ModuleState& state, bool is_detached) {
  const ValueArena arena;
  Value out = arena.dict(true);
  for (const auto& [name, value] : state.entries)
    out.set_item(name, is_detached ? detached(value, arena) : value);
  Value metadata = arena.dict(true);
  for (const auto& [prefix, module] : state.modules) {
    metadata.set_item(prefix, Value::dict({{"version", 1}}));
  }
  out.set_attribute("_metadata", metadata);
  return out;
}

Value load_torchscript(const std::shared_ptr<const TorchArchive>& archive, const LoadOptions& options) {
  const auto value_of = [&](std::string_view record, std::string_view folder) {
    const pickle::Graph graph = archive->parse_pickle(record);
    return archive->in_pickle(
        record, [&] { return load_torch_value(graph, zip_ids(), storages_in(archive, folder), options); });
  };
  Value out = script_state_dict(state_of(*archive, value_of("data.pkl", "data"), options.walk), true);
  const Value all = value_of("constants.pkl", kConstants);
  Value constants = Value::tuple();
  for (const Value& tensor : tensors_of(all)) constants.append(tensor);
  if (constants.size() > 0) out.set_attribute(kConstants, constants);
  return out;
}

Listing list_torchscript(const std::shared_ptr<const TorchArchive>& archive, const LoadOptions& options) {
  const pickle::Graph graph = archive->parse_pickle();
  ModuleState state;
  const auto tree_of = [&](const Value& root) {
    state = state_of(*archive, root, options.walk);
    return script_state_dict(state, false);
  };
  Listing listing = archive->in_pickle("data.pkl", [&] {
    return list_torch_value(graph, zip_ids(), storages_in(archive, "data"), options, tree_of);
  });
  listing.format = Format::kTorchScript;
  listing.pickles.push_back(pickle_facts(archive->pickle_record(), graph));
  listing.notes.insert(listing.notes.end(), state.notes.begin(), state.notes.end());

  const pickle::Graph constants_graph = archive->parse_pickle("constants.pkl");
  const auto constants_of = [](const Value& all) {
    Value tensors = Value::list();
    for (const Value& tensor : tensors_of(all)) tensors.append(tensor);
    return Value::dict({{kConstants, tensors}});
  };
  const Listing constants = archive->in_pickle("constants.pkl", [&] {
    return list_torch_value(constants_graph, zip_ids(), storages_in(archive, kConstants), options,
                            constants_of);
  });
  listing.pickles.push_back(pickle_facts(archive->pickle_record("constants.pkl"), constants_graph));
  if (!constants.tensors.empty()) {
    append(listing, constants, options);
    listing.notes.push_back(cat(constants.tensors.size(),
                                " constants of the code have no names (torch.jit.freeze makes "
                                "all weights such); the state_dict lacks them"));
  }
  return listing;
}

}  // namespace sconce::checkpoint
