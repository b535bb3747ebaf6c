// The commands that train live in a program of their own, sconce-nn beside sconce.
#pragma once

#include <string>
#include <vector>

#include "common/program.h"

namespace sconce::cli {

// The commands sconce hands to sconce-nn; they stand in its help, their options in sconce-nn's.
const std::vector<Command>& nn_commands();
// True when the first argument names one of them, or help or completion is asked about one.
bool is_nn_command(int argc, char** argv);
// Becomes sconce-nn with the same arguments. Returns (kTrouble, with a message) only when it cannot.
int run_nn(char** argv);
// What sconce-nn prints for these arguments. Errors: kNotFound, with its own words, when it fails or is not
// there; kIo.
std::string nn_output(const std::vector<std::string>& arguments);

}  // namespace sconce::cli
