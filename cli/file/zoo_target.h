// The names and shapes of a model of the zoo, which only sconce-nn knows.
#pragma once

#include <string>

#include "sconce/toolbox/repair.h"

namespace sconce::cli {

// Asks `sconce-nn models --keys NAME --json`. Errors: kNotFound when sconce-nn is not there or does not know
// the model; kIo, kCorrupt.
toolbox::RepairTarget zoo_target(const std::string& model);

}  // namespace sconce::cli
