// sconce diff: what two checkpoints have in common, and what not.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command diff_command();

}  // namespace sconce::cli
