// Salvage of distributed checkpoints: .metadata must be whole, files may be missing or damaged.
#include <algorithm>

#include "checkpoint/dcp_folder.h"
#include "checkpoint/dcp_tree.h"
#include "checkpoint/folder_file.h"
#include "checkpoint/salvage_backend.h"
#include "checkpoint/salvagers.h"
#include "checkpoint/trouble.h"
#include "sconce/checkpoint/named.h"

namespace sconce::checkpoint {
namespace {

dcp::Metadata read_dcp_metadata(const std::string& path, const LoadOptions& options) {
  const std::string metadata_path = file_in_folder(path, dcp::kMetadataFile);
  try {
    dcp::Metadata out = dcp::read_metadata(File::open(metadata_path), options);
    dcp::restore_int_keys(out.items);
    return out;
  } catch (const Error& error) {
    throw error.in_file(metadata_path);
  }
}

// An item alone, so that nothing but its own files matters.
Value read_item(const std::string& path, const dcp::Item& item, const LoadOptions& options) {
  dcp::Metadata alone;
  alone.items.push_back(item);
  const dcp::Folder folder(path, std::move(alone), dcp::Storing::kTorchZip, options);
  return item.is_tensor ? Value(folder.tensor(item)) : folder.object(item);
}

}  // namespace

Salvage salvage_dcp(const Source& source, const LoadOptions& options) {
  const dcp::Metadata metadata = read_dcp_metadata(source.path, options);
  Salvage out;
  out.format = Format::kDcp;
  out.notes.emplace_back(".metadata has no checksum: that the names are right cannot be told");
  std::vector<dcp::Item> items;
  std::vector<Value> values;
  for (const dcp::Item& item : metadata.items) {
    try {
      Value value = read_item(source.path, item, options);
      for (const NamedLeaf& leaf : named_arrays(value, options.walk)) {
        const std::string loss = leaf.value.is_sparse() ? sparse_loss(leaf.value.as_sparse()) : "";
        require(loss.empty(), ErrorCode::kCorrupt, "salvage", loss);
      }
      if (item.is_tensor) out.recovered.push_back({item.name, false});
      for (const NamedLeaf& leaf :
           item.is_tensor ? std::vector<NamedLeaf>{} : named_arrays(value, options.walk)) {
        out.recovered.push_back({leaf.name.empty() ? item.name : cat(item.name, ".", leaf.name), false});
      }
      values.push_back(std::move(value));
      items.push_back(item);
    } catch (const Error& error) {
      if (is_trouble(error)) throw;
      out.lost.push_back(
          {item.name, error.path().empty() ? error.text() : cat(escaped(error.path()), ": ", error.text())});
    }
  }
  out.value = dcp::nested(items, values, out.notes);
  return out;
}

bool can_salvage_dcp(const Source& source, const LoadOptions& options) {
  const dcp::Metadata metadata = read_dcp_metadata(source.path, options);
  return std::any_of(metadata.items.begin(), metadata.items.end(), [&](const dcp::Item& item) {
    try {
      dcp::Metadata alone;
      alone.items.push_back(item);
      const dcp::Folder folder(source.path, std::move(alone), dcp::Storing::kTorchZip, options);
      return item.is_tensor;
    } catch (const Error&) {
      return false;
    }
  });
}

}  // namespace sconce::checkpoint
