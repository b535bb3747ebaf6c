// sconce salvage: what is whole of a damaged checkpoint.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command salvage_command();

}  // namespace sconce::cli
