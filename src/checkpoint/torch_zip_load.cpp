#include <algorithm>

#include "checkpoint/readers.h"
#include "checkpoint/torch_archive.h"
#include "checkpoint/torch_value.h"
#include "checkpoint/torchscript_load.h"
#include "checkpoint/zip_storages.h"

namespace sconce::checkpoint {
namespace {

// An archive and its storages.
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

// torch.save stores; deflated storages come from whoever zipped the file again.
void add_deflated_note(const TorchArchive& archive, std::vector<std::string>& notes) {
  std::uint64_t deflated = 0;
  std::uint64_t all = 0;
  for (const zip::Entry& entry : archive.reader().entries()) {
    if (!archive.is_storage(entry)) continue;
    ++all;
    deflated += entry.method == zip::Method::kDeflated ? 1 : 0;
  }
  if (deflated == 0) return;
  notes.push_back(cat(deflated, " of ", all,
                      " storages are deflated, as when a file is zipped again: they cannot be mapped, and "
                      "torch.load(mmap=True) takes their compressed bytes for values; converting the file "
                      "stores them again"));
}

}  // namespace

Value load_torch_zip(const Source& source, const LoadOptions& options) {
  const auto zip = std::make_shared<const OpenZip>(source, options);
  if (zip->archive.is_script())
    return load_torchscript(std::shared_ptr<const TorchArchive>(zip, &zip->archive), options);
  const pickle::Graph graph = zip->archive.parse_pickle();
  return zip->archive.in_pickle("data.pkl", [&] {
    return load_torch_value(graph, zip_ids(), std::shared_ptr<const StorageFile>(zip, &zip->storages),
                            options);
  });
}

Listing list_torch_zip(const Source& source, const LoadOptions& options) {
  const auto zip = std::make_shared<const OpenZip>(source, options);
  Listing listing;
  if (zip->archive.is_script()) {
    listing = list_torchscript(std::shared_ptr<const TorchArchive>(zip, &zip->archive), options);
  } else {
    const pickle::Graph graph = zip->archive.parse_pickle();
    listing = zip->archive.in_pickle("data.pkl", [&] {
      return list_torch_value(graph, zip_ids(), std::shared_ptr<const StorageFile>(zip, &zip->storages),
                              options);
    });
    listing.format = Format::kTorchZip;
    listing.pickles.push_back(pickle_facts(zip->archive.pickle_record(), graph));
  }
  listing.file_size = zip->archive.reader().source().size();
  add_checksum_note(zip->archive.reader(), listing.notes);
  add_deflated_note(zip->archive, listing.notes);
  return listing;
}

}  // namespace sconce::checkpoint
