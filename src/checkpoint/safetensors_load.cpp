#include <algorithm>
#include <bit>
#include <unordered_map>

#include "checkpoint/readers.h"
#include "checkpoint/safetensors_alias.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/safetensors_read.h"
#include "checkpoint/tensor_store.h"
#include "sconce/base/parallel.h"

namespace sconce::checkpoint {
namespace {

using safetensors::Alias;
using safetensors::Entry;
using safetensors::Header;

Storage read_entry(const ByteSource& source, std::uint64_t offset, std::uint64_t size, DType dtype) {
  Storage storage = Storage::allocate(static_cast<std::size_t>(size));
  const std::span<std::byte> bytes(storage.mutable_data(), storage.size());
  source.read_at(bytes, offset);
  if (std::endian::native == std::endian::big) swap_words(bytes, dtype_info(dtype).word);
  return storage;
}

// A tensor's bytes, for whoever looks at its storage later.
class EntrySource : public StorageSource {
 public:
  EntrySource(std::shared_ptr<const ByteSource> source, std::uint64_t offset, std::uint64_t size, DType dtype)
      : source_(std::move(source)), offset_(offset), size_(size), dtype_(dtype) {}

  void read(std::span<std::byte> out) const override {
    source_->read_at(out, offset_);
    if (std::endian::native == std::endian::big) swap_words(out, dtype_info(dtype_).word);
  }
  void stream(const Piece& piece) const override {
    constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;  // a multiple of every word
    std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(size_, kPieceBytes)));
    for (std::uint64_t done = 0; done < size_;) {
      const auto bytes =
          std::span(buffer).first(static_cast<std::size_t>(std::min(size_ - done, kPieceBytes)));
      source_->read_at(bytes, offset_ + done);
      if (std::endian::native == std::endian::big) swap_words(bytes, dtype_info(dtype_).word);
      piece(bytes);
      done += bytes.size();
    }
  }

 private:
  std::shared_ptr<const ByteSource> source_;
  std::uint64_t offset_;
  std::uint64_t size_;
  DType dtype_;
};

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

Value safetensors::read_tensors(const Source& source, const Header& header, std::span<const Entry> entries,
                                std::span<const Alias> aliases, const LoadOptions& options) {
  std::vector<Storage> storages(entries.size());
  const auto count = static_cast<std::int64_t>(storages.size());
  const std::int64_t grain = grain_for_bytes(count, source.bytes->size());
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Entry& entry = entries[i];
      const std::uint64_t offset = header.data_offset + entry.begin;
      const std::uint64_t size = entry.end - entry.begin;
      if (auto mapped = source.mapped(offset, size, dtype_info(entry.dtype).word)) {
        storages[i] = *std::move(mapped);
      } else if (options.defer) {
        storages[i] =
            Storage::deferred(static_cast<std::size_t>(size),
                              std::make_shared<EntrySource>(source.bytes, offset, size, entry.dtype));
      } else {
        storages[i] = read_entry(*source.bytes, offset, size, entry.dtype);
      }
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
  for (const Alias& alias : aliases) {
    TensorLeaf leaf;
    leaf.array = out.at(alias.kept).as_array();
    out.set_item(arena.string(alias.name), arena.array(std::move(leaf)));
  }
  if (!header.metadata.empty()) out.set_attribute("__metadata__", metadata_value(header));
  return out;
}

Value load_safetensors(const Source& source, const LoadOptions& options) {
  Header header = safetensors::read_header(*source.bytes, options.safetensors_header);
  const auto aliases = safetensors::take_aliases(header);
  return safetensors::read_tensors(source, header, header.entries, aliases, options);
}

Listing list_safetensors(const Source& source, const LoadOptions& options) {
  Header header = safetensors::read_header(*source.bytes, options.safetensors_header);
  const auto aliases = safetensors::take_aliases(header);
  Listing listing;
  listing.format = Format::kSafetensors;
  listing.file_size = source.bytes->size();
  listing.tree = Value::dict();
  std::unordered_map<std::string, std::size_t> index;
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
    index.emplace(entry.name, listing.tensors.size());
    listing.tensors.push_back(std::move(info));
  }
  for (const Alias& alias : aliases) {
    TensorInfo info = listing.tensors[index.at(alias.kept)];
    info.name = alias.name;
    info.path = {Value(alias.name)};
    info.alias_of = index.at(alias.kept);
    listing.tree.set_item(alias.name, Value(Array()));
    listing.tensors.push_back(std::move(info));
  }
  if (!aliases.empty()) {
    listing.notes.push_back(cat(aliases.size(), " more names of tensors come from __metadata__"));
  }
  if (!header.metadata.empty()) listing.tree.set_attribute("__metadata__", metadata_value(header));
  listing.store = std::make_shared<SafetensorsStore>(source, options);
  return listing;
}

}  // namespace sconce::checkpoint
