// The storages of a zip archive.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/storage_file.h"
#include "checkpoint/torch_archive.h"

namespace sconce::checkpoint {

// A storage is the record <folder>/<key> of an archive, which must outlive this.
class ZipStorages : public StorageFile {
 public:
  explicit ZipStorages(const TorchArchive& archive, std::string_view folder = "data")
      : archive_(archive), folder_(folder) {}

  void find(StorageInfo& storage) const override {
    const auto entries = archive_.reader().entries();
    storage.place =
        static_cast<std::uint32_t>(&archive_.storage_entry(folder_, storage.key) - entries.data());
  }
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
  const zip::Entry& entry(const StorageInfo& storage) const {
    return storage.place ? archive_.reader().entries()[*storage.place]
                         : archive_.storage_entry(folder_, storage.key);
  }

  const TorchArchive& archive_;
  std::string folder_;
};

}  // namespace sconce::checkpoint
