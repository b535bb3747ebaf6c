// The `_version` of module classes, which `_metadata` records.
#pragma once

#include <cstdint>
#include <string_view>

namespace sconce::checkpoint {

// 1 for a class that is not known.
std::int64_t module_version(std::string_view module, std::string_view name);

}  // namespace sconce::checkpoint
