// sconce_probe and sconce_probe_nn: what the interchange tests ask of the library beyond the command line.
// One file per command.
#pragma once

#include <string>
#include <vector>

namespace sconce::probe {

using Arguments = std::vector<std::string>;

// Registers a command under its name; its result is the exit status.
struct Command {
  Command(const char* name, int (*run)(const Arguments& arguments));
};

}  // namespace sconce::probe
