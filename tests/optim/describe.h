// Values on one line, as tests/golden/optim/make.py writes them.
#pragma once

#include <string>

#include "optim/python_text.h"
#include "sconce/state/value.h"
#include "support/digest.h"

namespace sconce::optim {

inline std::string describe(const Value& value) {
  std::string out;
  const auto join = [&out](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  if (value.is_dict()) {
    for (const auto& [key, element] : value.items()) join(describe(key) + ": " + describe(element));
    return "{" + out + "}";
  }
  if (value.is_list()) {
    for (const Value& element : value.elements()) join(describe(element));
    return "[" + out + "]";
  }
  if (value.is_array()) {
    const Array& array = value.as_array();
    for (const std::int64_t size : array.shape()) join(std::to_string(size));
    return cat("tensor(", array.dtype(), ", [", out, "], ", test::sha256_of(array).substr(0, 16), ")");
  }
  return python_text(value);
}

}  // namespace sconce::optim
