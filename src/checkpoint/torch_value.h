// From a parsed pickle and the storages beside it to a value or a listing: the same for all of torch's
// containers.
#pragma once

#include <functional>
#include <memory>

#include "checkpoint/persistent_ids.h"
#include "checkpoint/storage_file.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/codec/pickle.h"

namespace sconce::checkpoint {

// The value of the pickle's root, with its arrays read by several threads or mapped. Errors: those of
// ValueReader and StorageFile.
Value load_torch_value(const pickle::Graph& graph, const PersistentIds& ids, const StorageFile& file,
                       const LoadOptions& options);

// The same; options.defer leaves the reading to whoever looks, and keeps `file` for that.
Value load_torch_value(const pickle::Graph& graph, const PersistentIds& ids,
                       const std::shared_ptr<const StorageFile>& file, const LoadOptions& options);

// Its listing: tensors, tree, globals, objects, a note about keys that are set twice, and a store, which
// keeps `file`. The format and the size of the file are the caller's to add. Reads no storage. `tree_of`
// makes the tree of the pickle's root where that is another value, of the same tensors.
Listing list_torch_value(const pickle::Graph& graph, const PersistentIds& ids,
                         std::shared_ptr<const StorageFile> file, const LoadOptions& options,
                         const std::function<Value(const Value& root)>& tree_of = {});

}  // namespace sconce::checkpoint
