// Which format a file or folder has, from its content.
#pragma once

#include <string>

#include "checkpoint/source.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/salvage.h"

namespace sconce::checkpoint {

struct Reader {
  Value (*load)(const Source& source, const LoadOptions& options);
  Listing (*list)(const Source& source, const LoadOptions& options);
  // Null for formats where there is nothing to save from a damaged file.
  Salvage (*salvage)(const Source& source, const LoadOptions& options) = nullptr;
  bool (*can_salvage)(const Source& source, const LoadOptions& options) = nullptr;
};

// What to read and how.
struct Input {
  Reader reader;
  Source source;
};

// The checkpoint at a path: a file, an index of several files, a folder of torch.distributed.checkpoint, or a
// folder that holds one index or one checkpoint of a well-known name. Errors: those of File; kUnsupported
// names what is there instead.
Input open_input(const std::string& path, bool map);

// The same for bytes in memory.
Input open_input(std::span<const std::byte> bytes);

}  // namespace sconce::checkpoint
