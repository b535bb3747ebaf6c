// Building and escaping text.
#pragma once

#include <locale>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace sconce {

template <class T>
concept Streamable = requires(std::ostream& out, const T& part) {
  out << part;
};

// Concatenates everything that can be streamed: cat("expected ", 3, " channels"). (What cannot be, such as a
// vector of tensors, is left to the cat that joins tensors.)
template <Streamable... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());  // numbers stay plain whatever the program's locale
  ((out << parts), ...);
  return std::move(out).str();
}

// `text` with control characters, backslashes and invalid UTF-8 written as \n, \x1b, \\ ..., so that a name
// read from a file cannot drive a terminal.
std::string escaped(std::string_view text);

// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

}  // namespace sconce
