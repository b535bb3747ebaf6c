// POSIX errors as sconce errors.
#pragma once

#include <string_view>

namespace sconce {

// Throws the Error for errno value `number`, met while doing `action` ("open", "write") on `path`.
[[noreturn]] void fail_posix(int number, std::string_view action, std::string_view path);

}  // namespace sconce
