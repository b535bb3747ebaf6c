#include <bit>

#include "checkpoint/readers.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/safetensors_read.h"
#include "checkpoint/tensor_store.h"
#include "sconce/base/parallel.h"

namespace sconce::checkpoint {
namespace {

using safetensors::Entry;
using safetensors::Header;

Storage read_entry(const ByteSource& source, std::uint64_t offset, std::uint64_t size, DType dtype) {
  Storage storage = Storage::allocate(static_cast<std::size_t>(size));
  const std::span<std::byte> bytes(storage.mutable_data(), storage.size());
  source.read_at(bytes, offset);
  if (std::endian::native == std::endian::big) swap_words(bytes, dtype_info(dtype).word);
  return storage;
}

Value metadata_value(const Header& header) {
  Value out = Value::dict();
  for (const auto& [key, text] : header.metadata) out.set_item(key, text);
  return out;
}

class SafetensorsStore : public detail::TensorStore {
 public:
  SafetensorsStore(Source source, const LoadOptions& options)
      : TensorStore(options), source_(std::move(source)) {}

 protected:
  Storage read(const TensorInfo& tensor) const override {
    return read_entry(*source_.bytes, tensor.file_offset, tensor.storage_bytes, tensor.dtype);
  }

 private:
  Source source_;
};

}  // namespace

Value safetensors::read_tensors(const Source& source, const Header& header, std::span<const Entry> entries) {
  std::vector<Storage> storages(entries.size());
  parallel_for(static_cast<std::int64_t>(storages.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Entry& entry = entries[i];
      const std::uint64_t offset = header.data_offset + entry.begin;
      const std::uint64_t size = entry.end - entry.begin;
      auto mapped = source.mapped(offset, size, dtype_info(entry.dtype).word);
      storages[i] = mapped ? *std::move(mapped) : read_entry(*source.bytes, offset, size, entry.dtype);
    }
  });
  const ValueArena arena;
  Value out = arena.dict();
  for (std::size_t i = 0; i < storages.size(); ++i) {
    const Entry& entry = entries[i];
    TensorLeaf leaf;
    leaf.array = Array(storages[i], entry.dtype, Geometry::contiguous(entry.shape));
    out.set_item(arena.string(entry.name), arena.array(std::move(leaf)));
  }
  if (!header.metadata.empty()) out.set_attribute("__metadata__", metadata_value(header));
  return out;
}

Value load_safetensors(Source source, const LoadOptions& options) {
  const Header header = safetensors::read_header(*source.bytes, options.safetensors_header);
  return safetensors::read_tensors(source, header, header.entries);
}

Listing list_safetensors(Source source, const LoadOptions& options) {
  const Header header = safetensors::read_header(*source.bytes, options.safetensors_header);
  Listing listing;
  listing.format = Format::kSafetensors;
  listing.file_size = source.bytes->size();
  listing.tree = Value::dict();
  for (const Entry& entry : header.entries) {
    TensorInfo info;
    info.name = entry.name;
    info.path = {Value(entry.name)};
    info.dtype = entry.dtype;
    info.geometry = Geometry::contiguous(entry.shape);
    info.device = "cpu";
    info.storage = listing.tensors.size();
    info.file_offset = header.data_offset + entry.begin;
    info.storage_bytes = entry.end - entry.begin;
    listing.tree.set_item(entry.name, Value(Array()));
    listing.tensors.push_back(std::move(info));
  }
  if (!header.metadata.empty()) listing.tree.set_attribute("__metadata__", metadata_value(header));
  listing.store = std::make_shared<SafetensorsStore>(std::move(source), options);
  return listing;
}

}  // namespace sconce::checkpoint
