#include "checkpoint/folder_file.h"

#include <algorithm>
#include <filesystem>

#include "sconce/base/error.h"

namespace sconce::checkpoint {
namespace {

namespace fs = std::filesystem;

bool is_within(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

// models--owner--name/snapshots/<revision>/file links to models--owner--name/blobs/<hash>.
bool is_hub_blob(const fs::path& target, const fs::path& folder) {
  return folder.parent_path().filename() == "snapshots" &&
         target.parent_path() == folder.parent_path().parent_path() / "blobs";
}

}  // namespace

std::string folder_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

void check_file_name(std::string_view name) {
  constexpr std::size_t kLongest = 255;  // of the file systems in use
  require(name.size() <= kLongest, ErrorCode::kUnsafe, "checkpoint",
          "expected the name of a file, of at most ", kLongest, " bytes, found one of ", name.size());
  const bool is_plain = !name.empty() && name != "." && name != ".." && is_utf8(name) &&
                        std::none_of(name.begin(), name.end(), [](char c) {
                          return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
                        });
  require(is_plain, ErrorCode::kUnsafe, "checkpoint", "expected the plain name of a file, found '",
          escaped(name), "'");
}

std::string file_in_folder(const std::string& folder, std::string_view name) {
  check_file_name(name);
  const fs::path path = fs::path(folder) / name;
  std::error_code error;
  const auto status = fs::symlink_status(path, error);
  require(fs::exists(status), ErrorCode::kNotFound, "checkpoint", "the file '", escaped(name),
          "' is missing in the folder");
  if (fs::is_symlink(status)) {
    const fs::path target = fs::canonical(path, error);
    require(!error, ErrorCode::kNotFound, "checkpoint", "the file '", escaped(name),
            "' is a link to nothing");
    const fs::path inside = fs::canonical(folder, error);
    require(!error && (is_within(target, inside) || is_hub_blob(target, inside)), ErrorCode::kUnsafe,
            "checkpoint", "the file '", escaped(name), "' is a link that leads out of the folder, to '",
            escaped(target.string()), "'");
  }
  return path.string();
}

}  // namespace sconce::checkpoint
