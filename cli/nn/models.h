// sconce models.
#pragma once

#include "common/program.h"

namespace sconce::cli {

// Lists the models of the zoo.
Command models_command();

}  // namespace sconce::cli
