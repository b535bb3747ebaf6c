// What the escapes \uXXXX of JSON and of pickle's text protocol have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sconce {

// Exactly `digits` (8 or fewer) hexadecimal digits at text[begin]; nothing when there are others or fewer.
std::optional<std::uint32_t> hex_digits_at(std::string_view text, std::size_t begin, std::size_t digits);

// Appends a code point (at most 0x10FFFF) as UTF-8; surrogates are encoded like any other.
void append_utf8(std::string& out, std::uint32_t code_point);

}  // namespace sconce
