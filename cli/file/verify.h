// sconce verify: is a checkpoint whole, and safe to load?
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command verify_command();

}  // namespace sconce::cli
