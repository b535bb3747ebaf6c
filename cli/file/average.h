// sconce average: one set of weights out of several.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command average_command();

}  // namespace sconce::cli
