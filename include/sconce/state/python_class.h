// The class that a value has in Python.
#pragma once

#include <string>

#include "sconce/state/value.h"

namespace sconce {

// What `str(type(value))` has between its quotes: "NoneType", "collections.OrderedDict", "torch.Tensor",
// "numpy.ndarray". A global that only names a class or function is taken for a class: "type".
std::string python_class(const Value& value);

// The class of an object as Python would name it, as far as its pickle tells: "numpy.ndarray" for what
// numpy.core.multiarray._reconstruct makes, "object" where it names nothing. Of a global its own name.
std::string object_class(const Value& object);

}  // namespace sconce
