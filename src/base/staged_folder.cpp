#include "sconce/base/staged_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/posix.h"
#include "base/temporary_name.h"
#include "sconce/base/error.h"
#include "sconce/base/interrupt.h"

namespace sconce {

StagedFolder::StagedFolder(const std::string& parent) {
  int number = 0;
  std::string name =
      make_temporary(parent, number, [](const char* free_name) { return ::mkdir(free_name, 0777); });
  if (number != 0) fail_posix(number, "make a folder in", parent);
  path_ = std::move(name);
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void StagedFolder::take_name(const std::string& target, bool durable) {
  throw_if_stop_requested();  // the last moment at which nothing has happened
  struct stat old {};
  const bool replaces = ::stat(target.c_str(), &old) == 0;
  if (replaces) ::chmod(path_.c_str(), old.st_mode & 07777);
  if (::rename(path_.c_str(), target.c_str()) != 0) {
    if (!replaces || (errno != ENOTEMPTY && errno != EEXIST)) fail_posix(errno, "write", target);
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
      if (errno != EINVAL && errno != ENOSYS) fail_posix(errno, "replace", target);
      // A file system that cannot exchange two names: for a moment there is neither.
      const std::string aside = path_ + "-old";
      if (::rename(target.c_str(), aside.c_str()) != 0) fail_posix(errno, "replace", target);
      if (::rename(path_.c_str(), target.c_str()) != 0) {
        const int number = errno;
        if (::rename(aside.c_str(), target.c_str()) != 0) path_.clear();  // keep what is left of both
        fail_posix(number, "replace", target);
      }
      path_ = aside;
    }
  }
  if (!durable) return;
  const std::string parent = std::filesystem::path(target).parent_path().string();
  sync_folder(parent.empty() ? "." : parent);
}

void sync_folder(const std::string& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;  // a folder that may be written to but not read
  // Some file systems cannot sync a directory (EINVAL); the data itself is synced already.
  const bool failed = ::fsync(directory) != 0 && errno != EINVAL;
  const int number = errno;
  ::close(directory);
  if (failed) fail_posix(number, "write", path);
}

}  // namespace sconce
