// What persistent ids stand for. Every container spells them its own way: formats.md B.2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/stored_tensor.h"
#include "sconce/codec/pickle.h"

namespace sconce::checkpoint {

// Elements [offset, offset + numel) of a storage, under a key of their own (files of PyTorch 0.1 to 0.3).
struct StorageView {
  std::string key;
  std::int64_t offset = 0;
  std::int64_t numel = 0;
};

// The one of these that a persistent id names.
struct Referent {
  std::optional<pickle::Node> global;  // a class, saved with its source: the global that names it
  StorageInfo storage;                 // else a storage ...
  std::optional<StorageView> view;     // ... or a part of it ...
  std::optional<Geometry> tensor;      // ... or a tensor over one of these (tar)
  std::string tensor_key;              // equal keys are one tensor object
};

class PersistentIds {
 public:
  virtual ~PersistentIds() = default;
  // What a node stands for; Error kCorrupt when it is nothing of the kind. Views lie within their storage.
  virtual Referent resolve(pickle::Node node) const = 0;
  // True for an object that is a storage without being a persistent id: one pickled by itself.
  virtual bool is_storage(pickle::Node) const { return false; }
};

// ('storage', class, key, location, numel)
const PersistentIds& zip_ids();
// ('storage', class, key, location, numel, None or (view key, offset, numel)) and ('module', class, file,
// source)
const PersistentIds& legacy_ids();

// The part of `storage` that a view's key, offset and number of elements name; Error kCorrupt, at `at`, when
// it is not a part.
StorageView view_within(const StorageInfo& storage, std::string key, std::int64_t offset, std::int64_t numel,
                        pickle::Node at);
// `name` as every tensor on that device keeps it. Error kCorrupt, at `at`, where it is too long for one.
std::string device_name(std::string_view name, pickle::Node at);
// The storage of `numel` (0 or more) elements of the class that `type` names; Errors kCorrupt, kOverflow.
StorageInfo storage_of(pickle::Node type, std::string key, std::string_view location, std::int64_t numel);
// The text of a key, which may be an int.
std::string key_text(pickle::Node key);

}  // namespace sconce::checkpoint
