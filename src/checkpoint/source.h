// What a reader works on: the bytes of a file or of memory, or a folder.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "sconce/base/byte_source.h"
#include "sconce/base/file.h"
#include "sconce/core/storage.h"

namespace sconce::checkpoint {

struct Source {
  std::shared_ptr<const ByteSource> bytes;  // null for a folder
  std::shared_ptr<MappedFile> map;          // null unless the caller asked for a map
  std::string path;                         // of the file or folder; empty for memory

  // [offset, offset + size) of the mapped file as a storage; nullopt without a map or where the bytes do not
  // begin at a multiple of `alignment`.
  std::optional<Storage> mapped(std::uint64_t offset, std::uint64_t size, std::size_t alignment) const;
};

// Reverses the bytes of every `word`-sized unit.
void swap_words(std::span<std::byte> bytes, std::size_t word);

}  // namespace sconce::checkpoint
