// Where an operation that is recorded now comes from, for anomaly mode.
#pragma once

#include <string>

namespace sconce {

// Names the derivative that runs in this thread; empty outside backward.
std::string current_origin();

}  // namespace sconce
