#include <algorithm>
#include <map>

#include "checkpoint/readers.h"
#include "checkpoint/tensor_store.h"
#include "checkpoint/torch_archive.h"
#include "checkpoint/value_reader.h"
#include "sconce/base/parallel.h"
#include "sconce/checkpoint/named.h"

namespace sconce::checkpoint {
namespace {

// Makes arrays over storages that are filled later, all at once by several threads, or over the mapped file.
class LoadBackend : public TensorBackend {
 public:
  LoadBackend(const TorchArchive& archive, const LoadOptions& options)
      : archive_(archive), options_(options) {}

  std::uint64_t storage_size(const StorageInfo& storage) override {
    return archive_.storage_entry(storage.key).size;
  }

  Array make(const StoredTensor& tensor, const StorageInfo& storage) override {
    const std::size_t word = dtype_info(tensor.dtype).word;
    Place& place = place_of(tensor.storage, storage, word);
    if (archive_.needs_swap() && place.word != word) {
      fail(ErrorCode::kUnsupported, "torch", "storage '", escaped(storage.key),
           "' has the other byte order and is used with elements of two sizes");
    }
    Array array(place.storage, tensor.dtype, tensor.geometry);
    if (!tensor.is_conj && !tensor.is_neg) return array;
    fill(place);
    return resolve_lazy_bits(array, tensor.is_conj, tensor.is_neg, options_.resolved_bytes);
  }

  void fill_all() {
    std::vector<Place*> waiting;
    for (auto& [index, place] : places_) {
      if (place.entry != nullptr) waiting.push_back(&place);
    }
    parallel_for(static_cast<std::int64_t>(waiting.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) fill(*waiting[static_cast<std::size_t>(i)]);
    });
  }

 private:
  struct Place {
    Storage storage;
    const zip::Entry* entry = nullptr;  // to be read; null when the bytes are there
    std::size_t word = 1;
  };

  Place& place_of(std::size_t index, const StorageInfo& info, std::size_t word) {
    const auto [at, fresh] = places_.try_emplace(index);
    Place& place = at->second;
    if (!fresh) return place;
    const zip::Entry& entry = archive_.storage_entry(info.key);
    place.word = word;
    if (auto mapped = archive_.map_storage(entry, word)) {
      place.storage = *std::move(mapped);
    } else {
      place.storage = Storage::allocate(static_cast<std::size_t>(entry.size));
      place.entry = &entry;
    }
    return place;
  }

  void fill(Place& place) const {
    if (place.entry == nullptr) return;
    archive_.read_storage(*place.entry, {place.storage.mutable_data(), place.storage.size()}, place.word);
    place.entry = nullptr;
  }

  const TorchArchive& archive_;
  const LoadOptions& options_;
  std::map<std::size_t, Place> places_;
};

// Only descriptions: no storage is touched.
class ListBackend : public TensorBackend {
 public:
  explicit ListBackend(const TorchArchive& archive) : archive_(archive) {}
  std::uint64_t storage_size(const StorageInfo& storage) override {
    return archive_.storage_entry(storage.key).size;
  }
  Array make(const StoredTensor&, const StorageInfo&) override { return {}; }

 private:
  const TorchArchive& archive_;
};

class TorchStore : public detail::TensorStore {
 public:
  TorchStore(std::shared_ptr<const TorchArchive> archive, const LoadOptions& options)
      : TensorStore(options), archive_(std::move(archive)) {}

 protected:
  Storage read(const TensorInfo& tensor) const override {
    const zip::Entry* entry = archive_->reader().find(tensor.record);
    Storage storage = Storage::allocate(static_cast<std::size_t>(entry->size));
    archive_->read_storage(*entry, {storage.mutable_data(), storage.size()}, dtype_info(tensor.dtype).word);
    return storage;
  }

 private:
  std::shared_ptr<const TorchArchive> archive_;
};

TensorInfo tensor_info(const NamedLeaf& leaf, const StoredPart& part, const StorageInfo& storage,
                       const zip::Reader& reader, const zip::Entry& entry) {
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
    if (part.role.empty()) info.quantization = tensor.quantization;
  }
  info.storage = part.tensor.storage;
  info.record = entry.name;
  info.file_offset = reader.payload_offset(entry);
  info.storage_bytes = storage.bytes;
  info.has_checksum = entry.crc_recorded();
  return info;
}

std::vector<std::string> notes_of(const zip::Reader& reader, const pickle::Graph& graph) {
  std::vector<std::string> notes;
  const auto entries = reader.entries();
  const auto unchecked = std::count_if(entries.begin(), entries.end(),
                                       [](const zip::Entry& entry) { return !entry.crc_recorded(); });
  if (unchecked > 0) notes.push_back(cat(unchecked, " of ", entries.size(), " records have no checksum"));
  if (const auto duplicates = graph.duplicate_keys(); !duplicates.empty()) {
    notes.push_back(cat(duplicates.size(), " keys are set twice; the last value counts"));
  }
  return notes;
}

}  // namespace

Value load_torch_zip(Source source, const LoadOptions& options) {
  const TorchArchive archive(std::move(source), options);
  const pickle::Graph graph = archive.parse_pickle();
  LoadBackend backend(archive, options);
  Value value = ValueReader(graph, backend, false).read();
  backend.fill_all();
  return value;
}

Listing list_torch_zip(Source source, const LoadOptions& options) {
  const auto archive = std::make_shared<const TorchArchive>(std::move(source), options);
  const pickle::Graph graph = archive->parse_pickle();
  ListBackend backend(*archive);
  ValueReader reader(graph, backend, true);
  Listing listing;
  listing.format = Format::kTorchZip;
  listing.file_size = archive->reader().source().size();
  listing.tree = reader.read();
  listing.notes = notes_of(archive->reader(), graph);
  listing.pickles.push_back(pickle_facts(archive->pickle_record(), graph));
  for (const pickle::Global& global : graph.globals()) {
    listing.globals.push_back({std::string(global.module), std::string(global.name)});
  }
  std::map<std::size_t, std::size_t> first_use;  // storage -> tensor
  for (const NamedLeaf& leaf : named_arrays(listing.tree)) {
    for (const StoredPart& part : reader.parts_of(leaf.value)) {
      const StorageInfo& storage = reader.storages()[part.tensor.storage];
      const auto [at, fresh] = first_use.try_emplace(part.tensor.storage, listing.tensors.size());
      TensorInfo info =
          tensor_info(leaf, part, storage, archive->reader(), archive->storage_entry(storage.key));
      if (!fresh) info.alias_of = at->second;
      listing.tensors.push_back(std::move(info));
    }
  }
  for (const NamedLeaf& leaf : named_objects(listing.tree)) {
    listing.objects.emplace_back(leaf.name, cat(leaf.value.global_module(), ".", leaf.value.global_name()));
  }
  listing.store = std::make_shared<TorchStore>(archive, options);
  return listing;
}

}  // namespace sconce::checkpoint
