// sconce eval.
#pragma once

#include "common/program.h"

namespace sconce::cli {

// Measures a model on the test pictures of a data set.
Command eval_command();

}  // namespace sconce::cli
