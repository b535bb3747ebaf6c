// Folders that appear whole: several files that only make sense together.
#pragma once

#include <string>

namespace sconce {

// A hidden folder for files that are not complete yet. What is still in it when it is destroyed is removed.
class StagedFolder {
 public:
  // Makes the folder inside `parent`. Errors: kNotFound, kPermission, kNoSpace, kIo.
  explicit StagedFolder(const std::string& parent);
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  ~StagedFolder();

  const std::string& path() const { return path_; }

  // Gives the folder the name `target`, in the same file system, in one step. A folder of that name is
  // replaced and removed with everything in it: whoever calls has made sure that it may be. Afterwards path()
  // is what was there before, or nothing.
  void take_name(const std::string& target, bool durable = true);

 private:
  std::string path_;
};

// Puts the names in a folder on disk. Error kIo.
void sync_folder(const std::string& path);

}  // namespace sconce
