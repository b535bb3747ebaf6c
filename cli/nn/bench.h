// sconce bench: the built-in measurements.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command bench_command();

}  // namespace sconce::cli
