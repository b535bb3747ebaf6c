// What somebody should know who is about to load a file in Python.
#pragma once

#include <string>
#include <vector>

#include "sconce/checkpoint/pickle_facts.h"

namespace sconce::toolbox {

// One line for each global that could run code when Python loads the pickles without weights_only; beyond ten
// the rest is counted.
std::vector<std::string> code_warnings(const std::vector<checkpoint::PickleFacts>& pickles);

}  // namespace sconce::toolbox
