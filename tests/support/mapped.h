// Whether memory is a file's, mapped, and how much of the map has been touched: what /proc/self/smaps knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace sconce::test {

// The resident bytes of the map of `path` that holds `data`; nullopt where there is none.
inline std::optional<std::uint64_t> resident_in_map(const std::string& path, const std::byte* data) {
  const auto place = reinterpret_cast<std::uintptr_t>(data);
  std::ifstream maps("/proc/self/smaps");
  bool is_ours = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first == "Rss:" && is_ours) {
      std::uint64_t kilobytes = 0;
      words >> kilobytes;
      return kilobytes * 1024;
    }
    const std::size_t dash = first.find('-');
    if (dash == std::string::npos) continue;  // about the map above, not the first line of one
    is_ours = place >= std::stoull(first.substr(0, dash), nullptr, 16) &&
              place < std::stoull(first.substr(dash + 1), nullptr, 16) && line.ends_with(path);
  }
  return std::nullopt;
}

}  // namespace sconce::test
