// Which format a file has, from its first bytes.
#pragma once

#include "checkpoint/source.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/salvage.h"

namespace sconce::checkpoint {

struct Reader {
  Value (*load)(Source source, const LoadOptions& options);
  Listing (*list)(Source source, const LoadOptions& options);
  // Null for formats where there is nothing to save from a damaged file.
  Salvage (*salvage)(Source source, const LoadOptions& options) = nullptr;
  bool (*can_salvage)(Source source, const LoadOptions& options) = nullptr;
};

// Error kUnsupported names what the bytes are when there is no reader for them.
Reader reader_for(const ByteSource& source);

// Error kUnsupported for a path that is a folder.
void refuse_directory(const std::string& path);

}  // namespace sconce::checkpoint
