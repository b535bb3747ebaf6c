// Values as Python prints them.
#pragma once

#include <string>

#include "sconce/state/value.h"

namespace sconce::optim {

// repr() of None, bool, int, float, str, list, tuple, dict and tensors; other kinds by the name of their
// type.
std::string python_text(const Value& value);

}  // namespace sconce::optim
