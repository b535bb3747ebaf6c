// The text encodings of pickle strings.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sconce::pickle {

// True for UTF-8 that may also hold lone surrogates as three bytes (Python's "surrogatepass").
bool is_python_utf8(std::string_view text);

// Decodes 'text' or "text" with Python 2's backslash escapes (opcode STRING); nothing when it is malformed.
std::optional<std::string> unquote_python2(std::string_view line);

// Decodes Latin-1 with \uXXXX and \UXXXXXXXX escapes (opcode UNICODE) to UTF-8; nothing when it is malformed.
std::optional<std::string> decode_raw_unicode_escape(std::string_view line);

}  // namespace sconce::pickle
