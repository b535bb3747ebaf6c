#include "checkpoint/legacy_stream.h"
#include "checkpoint/readers.h"
#include "checkpoint/torch_value.h"

namespace sconce::checkpoint {

Value load_torch_legacy(const Source& source, const LoadOptions& options) {
  const auto stream = std::make_shared<const LegacyStream>(source, options);
  return load_torch_value(stream->graph(), legacy_ids(), std::shared_ptr<const StorageFile>(stream), options);
}

Listing list_torch_legacy(const Source& source, const LoadOptions& options) {
  const std::uint64_t size = source.bytes->size();
  std::vector<PickleFacts> facts;
  const auto stream =
      std::make_shared<const LegacyStream>(source, options, [&facts](const pickle::Graph& graph) {
        facts.push_back(pickle_facts(cat("pickle ", facts.size() + 1), graph));
      });
  Listing listing = list_torch_value(stream->graph(), legacy_ids(), stream, options);
  listing.format = Format::kTorchLegacy;
  listing.file_size = size;
  listing.pickles = std::move(facts);
  if (const std::uint64_t trailing = stream->trailing_bytes(); trailing > 0) {
    listing.notes.push_back(
        cat(trailing, " bytes behind the last storage, which torch.load does not look at"));
  }
  return listing;
}

}  // namespace sconce::checkpoint
