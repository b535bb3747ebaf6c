#include "common/read_progress.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/status_line.h"
#include "common/terminal.h"
#include "sconce/base/file.h"

namespace sconce::cli {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{100};

// What cannot be looked at counts as nothing: whoever reads it says what is wrong.
std::uint64_t size_of(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) {
    const std::uintmax_t size = std::filesystem::file_size(path, ignored);
    return ignored ? 0 : size;
  }
  std::uint64_t total = 0;
  for (std::filesystem::recursive_directory_iterator entry(path, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    if (entry->is_regular_file(ignored)) total += size_of(entry->path());
  }
  return total;
}

// An index names files that lie beside it.
std::uint64_t size_to_read(const std::string& path) {
  const std::filesystem::path file(path);
  return file.extension() == ".json" ? size_of(file.parent_path().empty() ? "." : file.parent_path())
                                     : size_of(file);
}

}  // namespace

ReadProgress::ReadProgress(std::string verb, const std::vector<std::string>& paths) {
  if (!error_is_terminal()) return;
  std::uint64_t total = 0;
  for (const std::string& path : paths) total += size_to_read(path);
  thread_ = std::thread([this, total, verb = std::move(verb)] { run(verb, total); });
}

ReadProgress::~ReadProgress() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  stopping_.notify_one();
  thread_.join();
}

void ReadProgress::run(const std::string& verb, std::uint64_t total) {
  const std::uint64_t before = bytes_read();
  FileProgress progress(verb);
  std::unique_lock lock(mutex_);
  while (!stopping_.wait_for(lock, kBetweenLooks, [this] { return is_stopping_; })) {
    progress.update(std::min(bytes_read() - before, total), total);
  }
}

}  // namespace sconce::cli
