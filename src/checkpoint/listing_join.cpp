#include "checkpoint/listing_join.h"

#include <algorithm>
#include <vector>

#include "checkpoint/tensor_store.h"

namespace sconce::checkpoint {

// The storages of many listings under numbers of its own.
class JoinedStore : public detail::TensorStore {
 public:
  explicit JoinedStore(const LoadOptions& options) : TensorStore(options) {}

  std::size_t add(const Listing& part) {
    const std::size_t first = storages_;
    std::size_t count = 0;
    for (const TensorInfo& tensor : part.tensors) count = std::max(count, tensor.storage + 1);
    if (count > 0) parts_.push_back({first, part.store, nullptr});
    storages_ += count;
    return first;
  }
  std::size_t add(std::function<Storage()> make) {
    parts_.push_back({storages_, nullptr, std::move(make)});
    return storages_++;
  }

 protected:
  Storage read(const TensorInfo& tensor) const override {
    const auto after =
        std::upper_bound(parts_.begin(), parts_.end(), tensor.storage,
                         [](std::size_t number, const Part& part) { return number < part.first; });
    const Part& part = *std::prev(after);
    if (part.make) return part.make();
    TensorInfo own = tensor;
    own.storage -= part.first;
    return part.store->read(own);
  }

 private:
  struct Part {
    std::size_t first = 0;  // number of its first storage
    std::shared_ptr<const detail::TensorStore> store;
    std::function<Storage()> make;  // instead of a store
  };
  std::vector<Part> parts_;
  std::size_t storages_ = 0;
};

std::string record_of_part(const std::string& file, const std::string& record) {
  return record.empty() ? file : cat(file, ":", record);
}

ListingJoin::ListingJoin(const LoadOptions& options) : store_(std::make_shared<JoinedStore>(options)) {}

std::size_t ListingJoin::add_part(const Listing& part, const std::string& name, const std::string& file) {
  for (const auto& [object, type] : part.objects) {
    whole_.objects.emplace_back(cat(name, name.empty() || object.empty() ? "" : ".", object), type);
  }
  for (PickleFacts facts : part.pickles) {
    if (!file.empty()) facts.record = record_of_part(file, facts.record);
    whole_.pickles.push_back(std::move(facts));
  }
  for (const std::string& note : part.notes) whole_.notes.push_back(cat(escaped(file), ": ", note));
  for (const GlobalInfo& global : part.globals) {
    if (globals_.emplace(global.module, global.name).second) whole_.globals.push_back(global);
  }
  return store_->add(part);
}

std::size_t ListingJoin::add_storage(std::function<Storage()> read) { return store_->add(std::move(read)); }

void ListingJoin::add_tensor(TensorInfo tensor) {
  const auto [at, fresh] = first_use_.try_emplace(tensor.storage, whole_.tensors.size());
  tensor.alias_of = fresh ? std::optional<std::size_t>() : at->second;
  whole_.tensors.push_back(std::move(tensor));
}

Listing ListingJoin::finish() {
  whole_.store = store_;
  return std::move(whole_);
}

}  // namespace sconce::checkpoint
