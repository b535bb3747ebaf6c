#include <algorithm>

#include "checkpoint/readers.h"
#include "checkpoint/torch_archive.h"
#include "checkpoint/torch_value.h"

namespace sconce::checkpoint {
namespace {

// A storage is the record data/<key>.
class ZipStorages : public StorageFile {
 public:
  explicit ZipStorages(const TorchArchive& archive) : archive_(archive) {}

  std::uint64_t size_of(const StorageInfo& storage) const override { return entry(storage).size; }
  StoragePlace place_of(const StorageInfo& storage) const override {
    const zip::Entry& found = entry(storage);
    return {found.name, archive_.reader().payload_offset(found), found.crc_recorded()};
  }
  void read(const StorageInfo& storage, std::span<std::byte> out, std::size_t word) const override {
    archive_.read_storage(entry(storage), out, word);
  }
  void stream(const StorageInfo& storage, const StorageSource::Piece& piece,
              std::size_t word) const override {
    archive_.stream_storage(entry(storage), piece, word);
  }
  std::optional<Storage> map(const StorageInfo& storage, std::size_t word) const override {
    return archive_.map_storage(entry(storage), word);
  }
  bool needs_swap() const override { return archive_.needs_swap(); }
  std::string path() const override { return archive_.path(); }

 private:
  const zip::Entry& entry(const StorageInfo& storage) const { return archive_.storage_entry(storage.key); }

  const TorchArchive& archive_;
};

// The same with the archive it is about.
struct OpenZip {
  OpenZip(Source source, const LoadOptions& options)
      : archive(std::move(source), options), storages(archive) {}
  OpenZip(const OpenZip&) = delete;
  OpenZip& operator=(const OpenZip&) = delete;
  TorchArchive archive;
  ZipStorages storages;
};

void add_checksum_note(const zip::Reader& reader, std::vector<std::string>& notes) {
  const auto entries = reader.entries();
  const auto unchecked = std::count_if(entries.begin(), entries.end(),
                                       [](const zip::Entry& entry) { return !entry.crc_recorded(); });
  if (unchecked == 0) return;
  notes.insert(notes.begin(), cat(unchecked, " of ", entries.size(), " records have no checksum"));
}

}  // namespace

Value load_torch_zip(Source source, const LoadOptions& options) {
  const auto zip = std::make_shared<const OpenZip>(std::move(source), options);
  return load_torch_value(zip->archive.parse_pickle(), zip_ids(),
                          std::shared_ptr<const StorageFile>(zip, &zip->storages), options);
}

Listing list_torch_zip(Source source, const LoadOptions& options) {
  const auto zip = std::make_shared<const OpenZip>(std::move(source), options);
  const pickle::Graph graph = zip->archive.parse_pickle();
  Listing listing =
      list_torch_value(graph, zip_ids(), std::shared_ptr<const StorageFile>(zip, &zip->storages), options);
  listing.format = Format::kTorchZip;
  listing.pickles.push_back(pickle_facts(zip->archive.pickle_record(), graph));
  listing.file_size = zip->archive.reader().source().size();
  add_checksum_note(zip->archive.reader(), listing.notes);
  return listing;
}

}  // namespace sconce::checkpoint
