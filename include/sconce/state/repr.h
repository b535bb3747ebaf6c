// Values as a person reads them.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>

#include "sconce/state/value.h"

namespace sconce {

struct ReprLimits {
  std::size_t elements = 12;     // of each container, then "..."
  std::size_t depth = 4;         // of containers within containers
  std::size_t characters = 200;  // of one string
};

// Python's repr of a value in one line: {'lr': 0.1, 'betas': (0.9, 0.999)}. Tensors appear as
// tensor(float32, (6, 3, 5, 5)), unknown objects by their class. Control characters are escaped; cycles and
// long containers are cut.
std::string value_repr(const Value& value, const ReprLimits& limits = {});

// value_repr with the default limits.
std::ostream& operator<<(std::ostream& out, const Value& value);

}  // namespace sconce
