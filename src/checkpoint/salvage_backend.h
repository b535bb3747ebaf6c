// What the salvage of every pickled format shares: storages that may be lost, and the tree without them.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "checkpoint/stored_tensor.h"
#include "checkpoint/value_reader.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/salvage.h"

namespace sconce::checkpoint {

// Only descriptions: takes the file at its word and touches no storage.
class DescribingBackend : public TensorBackend {
 public:
  std::uint64_t storage_size(StorageInfo& storage) override { return storage.bytes; }
  Array make(const StoredTensor&, const StorageInfo&) override { return {}; }
};

// Makes arrays of the storages that can be had and undefined ones of those that cannot.
class SalvageBackend : public TensorBackend {
 public:
  explicit SalvageBackend(const LoadOptions& options) : options_(options) {}

  std::uint64_t storage_size(StorageInfo& storage) override { return storage.bytes; }
  Array make(const StoredTensor& tensor, const StorageInfo& storage) override;

  // Why a storage is lost; null when it is not.
  const std::string* loss_of(std::size_t storage) const;
  bool is_checked(std::size_t storage) const { return places_.at(storage).is_checked; }

 protected:
  struct Bytes {
    Storage storage;
    bool is_checked = false;  // they match a checksum, or there are none
  };
  // The bytes of a storage with elements of `word` bytes. An Error says why they are lost.
  virtual Bytes read(const StorageInfo& storage, std::size_t word) = 0;
  // True when words had to be turned around, so that a storage can have one size of them only.
  virtual bool needs_swap() const { return false; }

 private:
  struct Place {
    Storage storage;
    std::size_t word = 1;
    bool is_checked = false;
    std::optional<std::string> loss;
  };
  const LoadOptions& options_;
  std::map<std::size_t, Place> places_;
};

// Why a sparse tensor whose parts are all there is lost nevertheless: its indices point outside it. Empty
// when it is not.
std::string sparse_loss(const SparseLeaf& leaf);

// Sorts the tensors of `root` into `out`, whose tree becomes `root` without the lost ones.
void sort_out(Salvage& out, const Value& root, const ValueReader& reader, const SalvageBackend& backend,
              bool is_description_checked, const NamedLimits& limits);

}  // namespace sconce::checkpoint
