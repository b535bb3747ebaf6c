// Which format a file or folder has, from its content.
#pragma once

#include <optional>
#include <string>

#include "checkpoint/source.h"
#include "sconce/checkpoint/examine.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/salvage.h"

namespace sconce::checkpoint {

struct Reader {
  Format format;  // what it reads; list() tells it more exactly, where it can
  Value (*load)(const Source& source, const LoadOptions& options);
  Listing (*list)(const Source& source, const LoadOptions& options);
  // Null for formats where there is nothing to save from a damaged file.
  Salvage (*salvage)(const Source& source, const LoadOptions& options) = nullptr;
  bool (*can_salvage)(const Source& source, const LoadOptions& options) = nullptr;
  // Looks at everything in the file that list() does not need. Null where that is nothing.
  void (*examine)(const Source& source, const LoadOptions& options, Examination& out) = nullptr;
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

// The file that open_input() reads for a path: the path itself or the one that stands for a folder; empty for
// a folder that is a checkpoint as a whole. Errors as open_input().
std::string file_at(const std::string& path);

// What could read a file whose beginning is like nothing that is known, to say what is wrong with it: its end
// may still be that of a zip, or it may be a pickle that nobody writes. nullopt when it is like nothing at
// all.
std::optional<Reader> guess_reader(const ByteSource& source);

}  // namespace sconce::checkpoint
