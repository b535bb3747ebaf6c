// sconce repair: a checkpoint whose names are another model's becomes that model's.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command repair_command();

}  // namespace sconce::cli
