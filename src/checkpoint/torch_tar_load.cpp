#include "checkpoint/readers.h"
#include "checkpoint/tar_archive.h"
#include "checkpoint/torch_value.h"

namespace sconce::checkpoint {

Value load_torch_tar(const Source& source, const LoadOptions& options) {
  const auto archive = std::make_shared<const TarArchive>(source, options);
  return load_torch_value(archive->graph(), *archive, std::shared_ptr<const StorageFile>(archive), options);
}

Listing list_torch_tar(const Source& source, const LoadOptions& options) {
  const std::uint64_t size = source.bytes->size();
  const auto archive = std::make_shared<const TarArchive>(source, options);
  Listing listing = list_torch_value(archive->graph(), *archive, archive, options);
  listing.format = Format::kTorchTar;
  listing.file_size = size;
  listing.pickles = archive->facts();
  if (const std::uint64_t trailing = archive->trailing_bytes(); trailing > 0) {
    listing.notes.push_back(cat(trailing, " bytes behind what the members need, which torch.load ignores"));
  }
  return listing;
}

}  // namespace sconce::checkpoint
