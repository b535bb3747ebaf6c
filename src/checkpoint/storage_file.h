// The storages of a torch file, whatever its container.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/stored_tensor.h"
#include "sconce/core/storage.h"

namespace sconce::checkpoint {

struct StoragePlace {
  std::string record;        // the zip record or tar member; empty where a file has none
  std::uint64_t offset = 0;  // of the storage's bytes in the file
  bool has_checksum = false;
};

class StorageFile {
 public:
  virtual ~StorageFile() = default;
  // Notes where a storage is, so that the others need not look for it by name; Error kNotFound when there is
  // none of that key.
  virtual void find(StorageInfo&) const {}
  // How many bytes it holds of a storage; Error kNotFound when it has none of that key.
  virtual std::uint64_t size_of(const StorageInfo& storage) const = 0;
  // Where they are. May read from the file.
  virtual StoragePlace place_of(const StorageInfo& storage) const = 0;
  // Fills `out`, which has size_of() bytes, checked and in the machine's order of bytes for elements of
  // `word` bytes. From several threads at once.
  virtual void read(const StorageInfo& storage, std::span<std::byte> out, std::size_t word) const = 0;
  // The same in pieces that last for the call; a wrong checksum is an Error after the last one.
  virtual void stream(const StorageInfo& storage, const StorageSource::Piece& piece, std::size_t word) const {
    std::vector<std::byte> bytes(static_cast<std::size_t>(size_of(storage)));
    read(storage, bytes, word);
    piece(bytes);
  }
  // The same bytes in the mapped file, where that is possible.
  virtual std::optional<Storage> map(const StorageInfo& storage, std::size_t word) const = 0;
  // True when elements are turned around as they are read, so that a storage can have one size of them only.
  virtual bool needs_swap() const = 0;
  // Of the file, for messages long after load(); empty for one in memory.
  virtual std::string path() const { return {}; }
};

}  // namespace sconce::checkpoint
