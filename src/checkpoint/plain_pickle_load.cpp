#include <algorithm>

#include "checkpoint/plain_pickle.h"
#include "checkpoint/readers.h"
#include "checkpoint/torch_value.h"

namespace sconce::checkpoint {

Value load_plain_pickle(const Source& source, const LoadOptions& options) {
  const PlainPickle pickle(source, options);
  return load_torch_value(pickle.graph(), pickle, pickle, options);
}

Listing list_plain_pickle(const Source& source, const LoadOptions& options) {
  const std::uint64_t size = source.bytes->size();
  const auto pickle = std::make_shared<const PlainPickle>(source, options);
  Listing listing = list_torch_value(pickle->graph(), *pickle, pickle, options);
  listing.format = Format::kTorchLegacy;
  listing.file_size = size;
  listing.pickles.push_back(pickle_facts("", pickle->graph()));
  for (const PickleFacts& facts : pickle->inner_facts()) {
    listing.pickles.push_back(facts);
    for (const GlobalUse& global : facts.globals) {
      const bool is_known =
          std::any_of(listing.globals.begin(), listing.globals.end(), [&](const GlobalInfo& known) {
            return known.module == global.module && known.name == global.name;
          });
      if (!is_known) listing.globals.push_back({global.module, global.name});
    }
  }
  listing.notes.push_back("a plain Python pickle, which torch.save did not write");
  if (const std::uint64_t trailing = pickle->trailing_bytes(); trailing > 0) {
    listing.notes.push_back(cat(trailing, " bytes behind the pickle, which Python does not look at"));
  }
  if (const std::uint64_t trailing = pickle->inner_trailing_bytes(); trailing > 0) {
    listing.notes.push_back(cat(trailing, " bytes behind storages in byte strings, which torch ignores"));
  }
  return listing;
}

}  // namespace sconce::checkpoint
