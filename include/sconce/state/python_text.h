// Numbers and text as Python prints them.
#pragma once

#include <string>
#include <string_view>

namespace sconce {

// repr of a float: the shortest text that reads back equal, always with a point or an exponent: "1.0",
// "1e-05".
std::string float_repr(double value);

// repr of a str, given as UTF-8 (lone surrogates as three bytes): in single quotes, or in double ones where
// it holds single ones only. What Python escapes is escaped, but for code points that Unicode has not
// assigned. Bytes that are no UTF-8, which no str holds, become \x...
std::string string_repr(std::string_view text);

}  // namespace sconce
