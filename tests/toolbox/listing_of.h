// Listings of files that exist in memory only.
#pragma once

#include <deque>

#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/save.h"

namespace sconce::toolbox {

// What describe() says of `value`, saved. A listing reads from its file's bytes, so they stay.
inline checkpoint::Listing listing_of(const Value& value,
                                      checkpoint::Format format = checkpoint::Format::kTorchZip) {
  static std::deque<MemorySink> files;
  checkpoint::SaveOptions options;
  options.format = format;
  options.keep_device = true;
  checkpoint::save(files.emplace_back(), value, options);
  return checkpoint::describe(files.back().bytes());
}

}  // namespace sconce::toolbox
