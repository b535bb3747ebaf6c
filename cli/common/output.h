// Standard output with its failures noticed: a closed pipe ends a command quietly, a full disk is an error.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sconce/base/error.h"

namespace sconce::cli {

using Json = nlohmann::ordered_json;

// JSON has no infinities and no NaN: null.
inline Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// Thrown when whoever reads our output has gone.
struct ClosedPipe {};

// Standard output cannot be written: kNoSpace or kIo.
class OutputError : public Error {
 public:
  using Error::Error;
};

class Output {
 public:
  // Buffered. Throws ClosedPipe or OutputError when the output cannot be written.
  void print(std::string_view text);
  // One JSON document and a newline. Text that is not UTF-8 is replaced, never an exception.
  void print_json(const Json& json, int indent = 2);
  void flush();

 private:
  std::string buffer_;
};

Output& out();

}  // namespace sconce::cli
