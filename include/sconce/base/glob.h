// Choosing names by pattern.
#pragma once

#include <string_view>

namespace sconce {

// True when `text` matches `pattern`: * any run, ? any one character, [abc] [a-z] [!x] one of a set.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace sconce
