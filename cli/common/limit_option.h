// "--limit NAME=VALUE": what a checkpoint may cost to read.
#pragma once

#include <CLI/CLI.hpp>

#include "sconce/checkpoint/load.h"

namespace sconce::cli {

inline constexpr const char* kLimitOption = "--limit";

// The option, as often as it is given; the last value of a name holds. A wrong name or value is a usage error
// that lists the names.
CLI::Option* add_limit_option(CLI::App& app, checkpoint::LoadOptions& options);

}  // namespace sconce::cli
