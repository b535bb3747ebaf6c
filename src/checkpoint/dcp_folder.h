// The files of a distributed checkpoint and the items in them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "checkpoint/dcp_metadata.h"
#include "checkpoint/source.h"
#include "sconce/checkpoint/listing.h"

namespace sconce::checkpoint::dcp {

// What an item is stored as.
enum class Storing : std::uint8_t {
  kTorchZip,  // torch.save's archive: the items of .distcp files
  kRaw,       // the numbers themselves, little-endian: tensors of safetensors files
};

class Folder {
 public:
  // Opens the files that the items name and checks that every item lies within its file. Errors: kNotFound,
  // kUnsafe, kTruncated, each naming the file.
  Folder(const std::string& path, Metadata metadata, Storing storing, const LoadOptions& options);

  const Metadata& metadata() const { return metadata_; }
  std::uint64_t file_size() const { return file_size_; }
  const LoadOptions& options() const { return options_; }

  // The bytes of an item.
  Source source(const Place& place) const;
  // A tensor, contiguous in a storage of its own size, put together from its chunks, each checked against
  // what the metadata says.
  Array tensor(const Item& item) const;
  // An item that is not a tensor.
  Value object(const Item& item) const;
  // Reads nothing but directories: what the folder holds, as a listing.
  static Listing list(const std::shared_ptr<const Folder>& folder, Format format);
  // The nested dict of everything.
  Value load() const;

 private:
  Array chunk(const Item& item, const Chunk& part) const;

  Metadata metadata_;
  Storing storing_;
  LoadOptions options_;
  std::map<std::string, std::shared_ptr<const ByteSource>> files_;
  std::string path_;
  std::uint64_t file_size_ = 0;
};

}  // namespace sconce::checkpoint::dcp
