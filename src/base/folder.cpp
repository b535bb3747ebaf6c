#include "sconce/base/folder.h"

#include <algorithm>
#include <filesystem>

#include "base/posix.h"

namespace sconce {

std::vector<std::string> folder_names(const std::string& path) {
  std::vector<std::string> out;
  std::error_code error;
  std::filesystem::directory_iterator entries(path, error);
  while (!error && entries != std::filesystem::directory_iterator()) {
    out.push_back(entries->path().filename().string());
    entries.increment(error);
  }
  if (error) fail_posix(error.value(), "list", path);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace sconce
