#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/posix.h"
#include "base/temporary_name.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/error.h"
#include "sconce/base/file.h"
#include "sconce/base/interrupt.h"
#include "sconce/base/staged_folder.h"

namespace sconce {
namespace {

// Small writes are gathered: one system call per 1 MiB instead of one per record.
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
// Between writes of this size a request to stop is noticed.
constexpr std::size_t kLargestWrite = std::size_t{1} << 26;

// Through a symbolic link the file it points to is replaced, not the link.
std::string resolve_links(const std::string& path) {
  constexpr int kMostLinks = 40;  // as in Linux
  std::filesystem::path target(path);
  std::error_code ignored;
  for (int links = 0; links < kMostLinks; ++links) {
    if (!std::filesystem::is_symlink(std::filesystem::symlink_status(target, ignored)))
      return target.string();
    target = target.parent_path() / std::filesystem::read_symlink(target, ignored);
  }
  fail_posix(ELOOP, "write", path);
}

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// linkat(2) gives a nameless file its name through /proc.
bool has_proc() { return ::access("/proc/self/fd", X_OK) == 0; }

// rename(2) that never replaces; link(2) does it where the file system cannot.
int rename_to_free_name(const char* from, const char* to) {
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (::link(from, to) != 0) return -1;
  ::unlink(from);
  return 0;
}

// A replaced file keeps its permissions; a new one has what open(2) gave it.
mode_t permissions_for(const std::string& target, mode_t created) {
  struct stat info {};
  if (::stat(target.c_str(), &info) == 0 && S_ISREG(info.st_mode)) return info.st_mode & 07777;
  return created;
}

}  // namespace

AtomicFile::AtomicFile(std::string path, const WriteOptions& options)
    : path_(std::move(path)),
      target_(resolve_links(path_)),
      directory_(parent_of(target_)),
      options_(options) {
  if (!std::filesystem::path(target_).has_filename()) {
    throw Error(ErrorCode::kInvalidArgument, "file", "cannot write: expected the name of a file")
        .in_file(path_);
  }
  struct stat info {};
  if (::stat(target_.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) {
      throw Error(ErrorCode::kInvalidArgument, "file", "cannot write: the output is a directory")
          .in_file(path_);
    }
    if (!S_ISREG(info.st_mode)) {
      throw Error(ErrorCode::kInvalidArgument, "file", "cannot write: the output is not a regular file")
          .in_file(path_);
    }
    if (!options_.replace) {
      throw Error(ErrorCode::kExists, "file", "the output exists; replacing it was not asked for")
          .in_file(path_);
    }
  }
#ifdef O_TMPFILE
  if (has_proc()) descriptor_ = ::open(directory_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
#endif
  if (descriptor_ < 0) {  // not every file system has nameless files
    int number = 0;
    std::string name = make_temporary(directory_, number, [this](const char* free_name) {
      return descriptor_ = ::open(free_name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    });
    if (number != 0) fail_posix(number, "write", path_);
    temporary_ = std::move(name);
  }
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() { abandon(); }

void AtomicFile::abandon() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::reserve(std::uint64_t size) {
  require(descriptor_ >= 0, ErrorCode::kState, "file", "reserve after commit or after a failed write");
  // File systems without preallocation say EOPNOTSUPP; writing then finds out by itself.
  const int number = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(std::max<std::uint64_t>(size, 1)));
  if (number == ENOSPC || number == EFBIG || number == EDQUOT) fail_posix(number, "write", path_);
}

void AtomicFile::write_through(std::span<const std::byte> data) {
  while (!data.empty()) {
    throw_if_stop_requested();
    const std::size_t want = std::min(data.size(), kLargestWrite);
    const ssize_t put = ::write(descriptor_, data.data(), want);
    if (put < 0) {
      const int number = errno;
      if (number == EINTR) continue;
      abandon();  // some of the bytes are missing: this file must never be committed
      fail_posix(number, "write", path_);
    }
    data = data.subspan(static_cast<std::size_t>(put));
  }
}

void AtomicFile::flush_buffer() {
  write_through(buffer_);
  buffer_.clear();
}

void AtomicFile::write(std::span<const std::byte> data) {
  require(descriptor_ >= 0, ErrorCode::kState, "file", "write after commit or after a failed write");
  if (data.size() > kBufferBytes - buffer_.size()) flush_buffer();
  if (data.size() >= kBufferBytes) {
    write_through(data);
  } else {
    buffer_.insert(buffer_.end(), data.begin(), data.end());
  }
  position_ += data.size();
}

void AtomicFile::write(std::string_view text) { write(as_byte_span(text)); }

void AtomicFile::commit() {
  require(descriptor_ >= 0, ErrorCode::kState, "file", "commit after commit or after a failed write");
  flush_buffer();
  struct stat created {};
  if (::fstat(descriptor_, &created) != 0) fail_posix(errno, "stat", path_);
  if (static_cast<std::uint64_t>(created.st_size) != position_ &&  // reserved more than was written
      ::ftruncate(descriptor_, static_cast<off_t>(position_)) != 0) {
    fail_posix(errno, "write", path_);
  }
  const mode_t wanted = permissions_for(target_, created.st_mode & 07777);
  if (wanted != (created.st_mode & 07777) && ::fchmod(descriptor_, wanted) != 0) {
    fail_posix(errno, "set the permissions", path_);
  }
  if (options_.durable && ::fsync(descriptor_) != 0) fail_posix(errno, "write", path_);
  throw_if_stop_requested();  // the last moment at which nothing has happened

  if (temporary_.empty()) {
    // A nameless file can be given a free name only, so replacing takes a second step, as for named ones.
    const std::string link = cat("/proc/self/fd/", descriptor_);
    const auto name_it = [&link](const char* name) {
      return ::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW);
    };
    int number = 0;
    if (options_.replace) {
      std::string name = make_temporary(directory_, number, name_it);
      if (number == 0) temporary_ = std::move(name);
    } else if (name_it(target_.c_str()) != 0) {
      number = errno;
    }
    if (number != 0) fail_posix(number, "write", path_);
  }
  if (!temporary_.empty()) {
    const int renamed = options_.replace ? ::rename(temporary_.c_str(), target_.c_str())
                                         : rename_to_free_name(temporary_.c_str(), target_.c_str());
    if (renamed != 0) fail_posix(errno, options_.replace ? "replace" : "write", path_);
    temporary_.clear();
  }
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_posix(errno, "close", path_);
  if (options_.durable) sync_folder(directory_);
}

}  // namespace sconce
