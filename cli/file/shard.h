// sconce shard IN OUT_DIR: a checkpoint as several files and an index.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command shard_command();

}  // namespace sconce::cli
