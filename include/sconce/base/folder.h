// What is in a folder.
#pragma once

#include <string>
#include <vector>

namespace sconce {

// The names of everything in the folder but "." and "..", sorted. Errors, all naming it: kNotFound (no folder
// has that name), kPermission, kIo.
std::vector<std::string> folder_names(const std::string& path);

}  // namespace sconce
