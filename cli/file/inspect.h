// sconce inspect: what is in a checkpoint.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command inspect_command();

}  // namespace sconce::cli
