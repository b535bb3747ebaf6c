// Are two values of checkpoints the same?
#pragma once

#include <optional>

#include "sconce/state/value.h"
#include "sconce/toolbox/tensor_difference.h"

namespace sconce::toolbox {

// Compares two values part by part: kinds, numbers, text, order of lists, entries of dicts (in any order),
// members of sets, classes and arguments of unknown objects. 3 is not 3.0 and True is not 1; floats are
// compared by their bits. With a tolerance ints and floats are compared as numbers, 3 and 3.0 among them.
// Attributes do not count. Tensors compare by dtype, shape and bits where they hold data, and are no
// storages; the undefined arrays of a listing's tree are the same as each other. Cycles are followed once.
bool same_value(const Value& a, const Value& b, const std::optional<Tolerance>& tolerance = std::nullopt);

}  // namespace sconce::toolbox
