// Folders of torch.distributed.checkpoint (formats.md G).
#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "checkpoint/dcp_folder.h"
#include "checkpoint/dcp_tree.h"
#include "checkpoint/folder_file.h"
#include "checkpoint/readers.h"
#include "checkpoint/safetensors_header.h"
#include "sconce/base/checked.h"
#include "sconce/base/folder.h"
#include "sconce/codec/json.h"

namespace sconce::checkpoint {
namespace {

constexpr std::string_view kShardingInfo = "DCP_SHARDING_INFO";
constexpr std::size_t kShardingDepth = 4;

std::shared_ptr<const dcp::Folder> open_dcp(const std::string& path, const LoadOptions& options,
                                            std::uint64_t& metadata_size) {
  const std::string metadata_path = file_in_folder(path, dcp::kMetadataFile);
  try {
    const File file = File::open(metadata_path);
    metadata_size = file.size();
    dcp::Metadata metadata = dcp::read_metadata(file, options);
    if (const std::size_t changed = dcp::restore_int_keys(metadata.items); changed > 0) {
      metadata.notes.emplace_back("the keys of an optimizer's state, stored as str, are ints again");
    }
    return std::make_shared<const dcp::Folder>(path, std::move(metadata), dcp::Storing::kTorchZip, options);
  } catch (const Error& error) {
    throw error.in_file(metadata_path);
  }
}

// Where the tensors of a file begin in the whole ones; empty when the file holds whole tensors.
json::Json sharding_info(const safetensors::Header& header) {
  const auto found = std::find_if(header.metadata.begin(), header.metadata.end(),
                                  [](const auto& entry) { return entry.first == kShardingInfo; });
  if (found == header.metadata.end()) return {};
  try {
    return json::parse(found->second, {.depth = kShardingDepth});
  } catch (const Error& error) {
    fail(ErrorCode::kCorrupt, "safetensors", "the metadata '", kShardingInfo, "': ", error.text());
  }
}

Shape offsets_of(const json::Json& info, const safetensors::Entry& entry) {
  if (info.is_null()) return Shape(entry.shape.size());
  const json::Json* tensor = info.find(entry.name);
  require(tensor != nullptr, ErrorCode::kCorrupt, "safetensors", "the metadata '", kShardingInfo,
          "' does not have the tensor '", escaped(entry.name), "'");
  Shape out;
  for (const json::Json& offset : tensor->at("saved_offsets").as_array()) {
    out.push_back(checked_cast<std::int64_t>(offset.as_uint(), "safetensors"));
  }
  require(out.size() == entry.shape.size(), ErrorCode::kCorrupt, "safetensors", "tensor '",
          escaped(entry.name), "' has ", entry.shape.size(), " dimensions and ", out.size(), " offsets");
  return out;
}

// Every safetensors file of a folder that HuggingFaceStorageWriter(save_distributed=True) wrote.
dcp::Metadata read_shards(const std::string& path, const LoadOptions& options) {
  std::vector<std::string> files;
  for (std::string& name : folder_names(path)) {
    if (name.ends_with(".safetensors")) files.push_back(std::move(name));
  }
  dcp::Metadata out;
  std::unordered_map<std::string, std::size_t> index;
  for (const std::string& name : files) {
    const std::string file_path = file_in_folder(path, name);
    try {
      const File file = File::open(file_path);
      const auto header = safetensors::read_header(file, options.safetensors_header);
      const json::Json info = sharding_info(header);
      for (const safetensors::Entry& entry : header.entries) {
        const auto [at, fresh] = index.try_emplace(entry.name, out.items.size());
        if (fresh) {
          dcp::Item item;
          item.name = entry.name;
          item.path = {Value(entry.name)};
          item.is_tensor = true;
          item.dtype = entry.dtype;
          item.size = Shape(entry.shape.size());
          out.items.push_back(std::move(item));
        }
        dcp::Item& item = out.items[at->second];
        require(item.dtype == entry.dtype && item.size.size() == entry.shape.size(), ErrorCode::kCorrupt,
                "safetensors", "tensor '", escaped(entry.name),
                "' has another dtype or rank in another file");
        dcp::Chunk chunk{offsets_of(info, entry),
                         entry.shape,
                         {name, header.data_offset + entry.begin, entry.end - entry.begin}};
        for (std::size_t i = 0; i < item.size.size(); ++i) {
          item.size[i] = std::max(item.size[i], checked_add(chunk.offsets[i], chunk.sizes[i], "safetensors"));
        }
        item.chunks.push_back(std::move(chunk));
      }
    } catch (const Error& error) {
      throw error.in_file(file_path);
    }
  }
  std::uint64_t comparisons = dcp::kMostComparisons;
  for (const dcp::Item& item : out.items) dcp::check_chunks(item.name, item.size, item.chunks, comparisons);
  return out;
}

std::shared_ptr<const dcp::Folder> open_shards(const std::string& path, const LoadOptions& options) {
  return std::make_shared<const dcp::Folder>(path, read_shards(path, options), dcp::Storing::kRaw, options);
}

}  // namespace

Value load_dcp(const Source& source, const LoadOptions& options) {
  std::uint64_t metadata_size = 0;
  return open_dcp(source.path, options, metadata_size)->load();
}

Listing list_dcp(const Source& source, const LoadOptions& options) {
  std::uint64_t metadata_size = 0;
  const auto folder = open_dcp(source.path, options, metadata_size);
  Listing listing = dcp::Folder::list(folder, Format::kDcp);
  listing.file_size += metadata_size;
  return listing;
}

Value load_sharded_safetensors(const Source& source, const LoadOptions& options) {
  return open_shards(source.path, options)->load();
}

Listing list_sharded_safetensors(const Source& source, const LoadOptions& options) {
  return dcp::Folder::list(open_shards(source.path, options), Format::kDcp);
}

}  // namespace sconce::checkpoint
