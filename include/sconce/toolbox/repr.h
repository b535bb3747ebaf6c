// Values as a person reads them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sconce/state/value.h"

namespace sconce::toolbox {

struct ReprLimits {
  std::size_t elements = 12;     // of each container, then "..."
  std::size_t depth = 4;         // of containers within containers
  std::size_t characters = 200;  // of one string
};

// Python's repr of a value in one line: {'lr': 0.1, 'betas': (0.9, 0.999)}. Tensors appear as
// tensor(float32, (6, 3, 5, 5)), unknown objects by their class. Control characters are escaped; cycles and
// long containers are cut.
std::string value_repr(const Value& value, const ReprLimits& limits = {});

// True when `text` matches `pattern`: * any run, ? any one character, [abc] [a-z] [!x] one of a set.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace sconce::toolbox
