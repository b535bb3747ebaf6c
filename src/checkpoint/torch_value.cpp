#include "checkpoint/torch_value.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "checkpoint/numpy_value.h"
#include "checkpoint/small_storages.h"
#include "checkpoint/tensor_store.h"
#include "checkpoint/torch_names.h"
#include "checkpoint/value_reader.h"
#include "sconce/base/parallel.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/objects.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/checkpoint/walk_budget.h"
#include "sconce/state/python_class.h"

namespace sconce::checkpoint {
namespace {

// A storage of the file, for whoever looks at it later.
class FileStorage : public StorageSource {
 public:
  FileStorage(std::shared_ptr<const StorageFile> file, StorageInfo info, std::size_t word)
      : file_(std::move(file)), info_(std::move(info)), word_(word) {}

  void read(std::span<std::byte> out) const override {
    named([&] { file_->read(info_, out, word_); });
  }
  void stream(const Piece& piece) const override {
    named([&] { file_->stream(info_, piece, word_); });
  }

 private:
  // Whoever catches the error may be writing another file.
  template <class Read>
  void named(const Read& read) const {
    try {
      read();
    } catch (const Error& error) {
      const std::string path = file_->path();
      throw path.empty() ? error : error.in_file(path);
    }
  }

  std::shared_ptr<const StorageFile> file_;
  StorageInfo info_;
  std::size_t word_;
};

// Makes arrays over storages that are filled later, all at once by several threads, or over the mapped file.
class LoadBackend : public TensorBackend {
 public:
  // `kept` is `file` where reading may be put off until someone looks, else null.
  LoadBackend(const StorageFile& file, std::shared_ptr<const StorageFile> kept, const LoadOptions& options)
      : file_(file), kept_(std::move(kept)), options_(options) {}

  std::uint64_t storage_size(StorageInfo& storage) override {
    file_.find(storage);
    return file_.size_of(storage);
  }
  bool refuses_misfits() const override { return true; }

  Array make(const StoredTensor& tensor, const StorageInfo& storage) override {
    const std::size_t word = dtype_info(tensor.dtype).word;
    Place& place = place_of(tensor.storage, storage, word);
    if (file_.needs_swap() && place.word != word) {
      fail(ErrorCode::kUnsupported, "torch", "storage '", escaped(storage.key),
           "' has the other byte order and is used with elements of two sizes; save its tensors apart");
    }
    Array array(place.storage, tensor.dtype, tensor.geometry);
    if (!tensor.is_conj && !tensor.is_neg) return array;
    fill(place);
    return resolve_lazy_bits(array, tensor.is_conj, tensor.is_neg, options_.resolved_bytes);
  }

  void fill_all() {
    std::vector<Place*> waiting;
    std::uint64_t bytes = 0;
    for (Place& place : places_) {
      if (!place.is_waiting) continue;
      waiting.push_back(&place);
      bytes += place.info->bytes;
    }
    // In the order of the file: PyTorch wrote "10" before "2" for years.
    std::stable_sort(waiting.begin(), waiting.end(),
                     [](const Place* a, const Place* b) { return a->info->place < b->info->place; });
    const auto count = static_cast<std::int64_t>(waiting.size());
    parallel_for(count, grain_for_bytes(count, bytes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) fill(*waiting[static_cast<std::size_t>(i)]);
    });
  }

 private:
  struct Place {
    Storage storage;
    const StorageInfo* info = nullptr;  // the reader's
    bool is_made = false;
    bool is_waiting = false;  // for its bytes
    std::size_t word = 1;
  };

  Place& place_of(std::size_t index, const StorageInfo& info, std::size_t word) {
    if (index >= places_.size()) places_.resize(index + 1);
    Place& place = places_[index];
    if (place.is_made) return place;
    place.is_made = true;
    place.info = &info;
    place.word = word;
    auto mapped = info.is_in_file ? file_.map(info, word) : std::nullopt;
    if (info.is_in_file && !mapped && kept_) {
      place.storage = Storage::deferred(static_cast<std::size_t>(info.bytes),
                                        std::make_shared<FileStorage>(kept_, info, word));
      return place;
    }
    place.is_waiting = info.is_in_file && !mapped;
    place.storage = mapped ? *std::move(mapped) : memory_.allocate(static_cast<std::size_t>(info.bytes));
    return place;
  }

  void fill(Place& place) const {
    if (!place.is_waiting) return;
    file_.read(*place.info, {place.storage.mutable_data(), place.storage.size()}, place.word);
    place.is_waiting = false;
  }

  const StorageFile& file_;
  std::shared_ptr<const StorageFile> kept_;
  const LoadOptions& options_;
  SmallStorages memory_;
  std::deque<Place> places_;  // by the storage's index; a place stays where it is
};

// Only descriptions: no storage is touched.
class ListBackend : public TensorBackend {
 public:
  explicit ListBackend(const StorageFile& file) : file_(file) {}
  std::uint64_t storage_size(StorageInfo& storage) override {
    file_.find(storage);
    return file_.size_of(storage);
  }
  Array make(const StoredTensor&, const StorageInfo&) override { return {}; }
  bool refuses_misfits() const override { return true; }

 private:
  const StorageFile& file_;
};

class TorchStore : public detail::TensorStore {
 public:
  TorchStore(std::shared_ptr<const StorageFile> file, std::deque<StorageInfo> storages,
             const LoadOptions& options)
      : TensorStore(options), file_(std::move(file)), storages_(std::move(storages)) {}

 protected:
  Storage read(const TensorInfo& tensor) const override {
    const StorageInfo& info = storages_[tensor.storage];
    if (info.content) return info.content;
    Storage storage = Storage::allocate(static_cast<std::size_t>(info.bytes));
    if (info.is_in_file) {
      file_->read(info, {storage.mutable_data(), storage.size()}, dtype_info(tensor.dtype).word);
    }
    return storage;
  }

 private:
  std::shared_ptr<const StorageFile> file_;
  std::deque<StorageInfo> storages_;
};

TensorInfo tensor_info(const NamedLeaf& leaf, const StoredPart& part, const StorageInfo& storage,
                       const StorageFile& file) {
  TensorInfo info;
  info.name = leaf.name;
  info.path = leaf.path;
  info.role = part.role;
  info.dtype = part.tensor.dtype;
  info.geometry = part.tensor.geometry;
  info.is_conj = part.tensor.is_conj;
  info.is_neg = part.tensor.is_neg;
  info.device = storage.location;
  if (leaf.value.is_array()) {
    const TensorLeaf& tensor = leaf.value.as_tensor();
    info.requires_grad = tensor.requires_grad;
    info.is_parameter = tensor.is_parameter;
    info.bare_storage = tensor.bare_storage;
    info.shard_of = tensor.shard_of;
    if (part.role.empty() && tensor.quantization) {
      info.quantization = std::make_shared<const Quantization>(*tensor.quantization);
    }
  }
  info.storage = part.tensor.storage;
  info.storage_bytes = storage.bytes;
  if (storage.is_in_file) {
    StoragePlace place = file.place_of(storage);
    info.record = std::move(place.record);
    info.file_offset = place.offset;
    info.has_checksum = place.has_checksum;
  }
  return info;
}

// Objects beyond what every state_dict may hold: sizes, dtypes, meta tensors.
bool is_foreign(const Value& object) {
  if (meta_tensor(object)) return false;
  return object.global_name() == "_rebuild_from_type_v2" ||
         trust_of(object.global_module(), object.global_name()) != Trust::kPlain;
}

// numpy's objects of numbers are made of others (a class, a dtype), which tell nobody anything.
bool hides_its_parts(const Value& object) {
  const auto numpy = numpy_object(object);
  return numpy ? !numpy->dtype.holds_objects : numpy_dtype(object).has_value();
}

bool is_below(const std::vector<Value>& path, const std::vector<Value>& top) {
  return path.size() > top.size() && std::equal(top.begin(), top.end(), path.begin(),
                                                [](const Value& a, const Value& b) { return a.is(b); });
}

std::vector<std::pair<std::string, std::string>> foreign_objects(const Value& tree,
                                                                 const NamedLimits& limits) {
  std::vector<std::pair<std::string, std::string>> out;
  std::optional<std::vector<Value>> hiding;
  for (const NamedLeaf& leaf : named_objects(tree, limits)) {
    if (hiding && is_below(leaf.path, *hiding)) continue;
    hiding = hides_its_parts(leaf.value) ? std::optional(leaf.path) : std::nullopt;
    if (is_foreign(leaf.value)) out.emplace_back(leaf.name, object_class(leaf.value));
  }
  return out;
}

}  // namespace

namespace {

Value load_with(LoadBackend backend, const pickle::Graph& graph, const PersistentIds& ids) {
  ValueReader reader(graph, backend, false, ids);  // what the backend fills is described there
  Value value = reader.read();
  backend.fill_all();
  return value;
}

}  // namespace

Value load_torch_value(const pickle::Graph& graph, const PersistentIds& ids, const StorageFile& file,
                       const LoadOptions& options) {
  return load_with(LoadBackend(file, nullptr, options), graph, ids);
}

Value load_torch_value(const pickle::Graph& graph, const PersistentIds& ids,
                       const std::shared_ptr<const StorageFile>& file, const LoadOptions& options) {
  return load_with(LoadBackend(*file, options.defer ? file : nullptr, options), graph, ids);
}

Listing list_torch_value(const pickle::Graph& graph, const PersistentIds& ids,
                         std::shared_ptr<const StorageFile> file, const LoadOptions& options,
                         const std::function<Value(const Value& root)>& tree_of) {
  ListBackend backend(*file);
  ValueReader reader(graph, backend, true, ids);
  Listing listing;
  const Value root = reader.read();
  listing.tree = tree_of ? tree_of(root) : root;
  if (const auto duplicates = graph.duplicate_keys(); !duplicates.empty()) {
    listing.notes.push_back(cat(duplicates.size(), " keys are set twice; the last value counts"));
  }
  for (const pickle::Global& global : graph.globals()) {
    listing.globals.push_back({std::string(global.module), std::string(global.name)});
  }
  std::map<std::size_t, std::size_t> first_use;  // storage -> tensor
  WalkBudget record_names(options.walk);
  const std::vector<NamedLeaf> leaves = named_arrays(listing.tree, options.walk);
  listing.tensors.reserve(leaves.size());
  for (const NamedLeaf& leaf : leaves) {
    const auto sparse =
        leaf.value.is_sparse() ? std::make_shared<const SparseLeaf>(leaf.value.as_sparse()) : nullptr;
    for (const StoredPart& part : reader.parts_of(leaf.value)) {
      const auto [at, fresh] = first_use.try_emplace(part.tensor.storage, listing.tensors.size());
      TensorInfo info = tensor_info(leaf, part, reader.storages()[part.tensor.storage], *file);
      info.sparse = sparse;
      record_names.keep_long(info.record.size());
      if (!fresh) info.alias_of = at->second;
      listing.tensors.push_back(std::move(info));
    }
  }
  listing.objects = foreign_objects(listing.tree, options.walk);
  const auto recovered = recover_modules(listing.tree, options.walk).notes;
  listing.notes.insert(listing.notes.end(), recovered.begin(), recovered.end());
  listing.store = std::make_shared<TorchStore>(std::move(file), reader.storages(), options);
  return listing;
}

}  // namespace sconce::checkpoint
