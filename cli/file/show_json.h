// Values as JSON, written as they are read: a large tensor never stands in memory as text.
#pragma once

#include "common/output.h"
#include "sconce/core/array.h"
#include "sconce/state/value.h"

namespace sconce::cli {

struct NotFinite {
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;
};

// Prints the elements as nested lists and counts what JSON has no number for and gets null. Complex elements
// are [real, imaginary].
NotFinite print_elements(const Array& array);

// A value that is no tensor. Keys become text; what JSON lacks is spelled as Python prints it. Error kLimit
// beyond a million parts.
Json value_json(const Value& value);

}  // namespace sconce::cli
