// sconce show: the values of one tensor, or of anything else in a checkpoint.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command show_command();

}  // namespace sconce::cli
