// The *.index.json of a checkpoint in several files (formats.md F.6).
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/source.h"
#include "sconce/checkpoint/load.h"

namespace sconce::checkpoint {

struct Index {
  std::vector<std::pair<std::string, std::size_t>> tensors;  // name -> shard, in the order of the file
  std::vector<std::string> shards;                           // file names, in order of first use
};

// Errors: kUnsupported (another JSON file, or one in memory), kUnsafe (names that are not plain file names),
// kLimit, those of JSON.
Index read_index(const Source& source, const LoadOptions& options);

}  // namespace sconce::checkpoint
