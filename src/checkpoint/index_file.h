// The *.index.json of a checkpoint in several files (formats.md F.6).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/sniff.h"
#include "checkpoint/source.h"
#include "sconce/checkpoint/load.h"

namespace sconce::checkpoint {

inline constexpr std::string_view kIndexSuffix = ".index.json";

struct Index {
  std::vector<std::pair<std::string, std::size_t>> tensors;  // name -> shard, in the order of the file
  std::vector<std::string> shards;                           // file names, in order of first use
};

// Errors: NoCheckpoint (another JSON file), kUnsupported (one in memory), kUnsafe (names that are not plain
// file names), kLimit, those of JSON.
Index read_index(const Source& source, const LoadOptions& options);

// A file of the set, in `folder`. Errors: those of file_in_folder() and open_input(); kUnsafe when it is an
// index, this one perhaps, or a folder.
Input open_shard(const std::string& folder, const std::string& name, bool map);

}  // namespace sconce::checkpoint
