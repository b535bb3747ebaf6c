// sconce merge IN OUT: a checkpoint in several files, or in any other form, as one file.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command merge_command();

}  // namespace sconce::cli
