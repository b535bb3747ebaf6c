// sconce train.
#pragma once

#include "common/program.h"

namespace sconce::cli {

// Trains a model of the zoo.
Command train_command();

}  // namespace sconce::cli
