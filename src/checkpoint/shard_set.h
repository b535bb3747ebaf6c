// Puts the files of a sharded checkpoint and their index in place so that at every moment the index that is
// there names files that belong together.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sconce/base/staged_folder.h"

namespace sconce::checkpoint {

struct ShardSet {
  std::string folder;
  std::string index;                // its name
  std::vector<std::string> shards;  // their names in the staged folder and, in the end, in `folder`
  // The text of an index that finds shards[i] under names[i].
  std::function<std::string(const std::vector<std::string>& names)> index_text;
  // Whether a file of the set before, which its index names, is a shard of ours and may go.
  std::function<bool(const std::string& name)> is_shard_name;
};

// Error kExists unless nothing of the set is there yet.
void require_absent(const ShardSet& set);

// Moves the files from `staged` to the folder and writes the index last. A set that is there is replaced: its
// files stay untouched until the new index stands, then those that the new set does not have are removed.
void publish(const ShardSet& set, const StagedFolder& staged, bool durable);

}  // namespace sconce::checkpoint
