#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/posix.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/error.h"
#include "sconce/base/file.h"

namespace sconce {
namespace {

// Small writes are gathered: one system call per 1 MiB instead of one per record.
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

// Through a symbolic link the file it points to is replaced, not the link.
std::string resolve_links(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_symlink(std::filesystem::symlink_status(path, ignored))) return path;
  const auto resolved = std::filesystem::weakly_canonical(path, ignored);
  return ignored ? path : resolved.string();
}

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// A name beside the target that no other writer uses: process and a counter.
std::string temporary_name(const std::string& target) {
  static std::atomic<unsigned> counter{0};
  const std::filesystem::path path(target);
  return (path.parent_path() / cat(".", path.filename().string(), ".", ::getpid(), "-", counter++, ".tmp"))
      .string();
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
  descriptor_ = ::open(directory_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
#endif
  if (descriptor_ < 0) {  // not every file system has nameless files
    temporary_ = temporary_name(target_);
    descriptor_ = ::open(temporary_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (descriptor_ < 0) {
      const int number = errno;
      temporary_.clear();
      fail_posix(number, "write", path_);
    }
  }
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::reserve(std::uint64_t size) {
  // File systems without preallocation say EOPNOTSUPP; writing then finds out by itself.
  const int number = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(std::max<std::uint64_t>(size, 1)));
  if (number == ENOSPC || number == EFBIG || number == EDQUOT) fail_posix(number, "write", path_);
  if (number == 0) reserved_ = std::max<std::uint64_t>(size, 1);
}

void AtomicFile::write_through(std::span<const std::byte> data) {
  while (!data.empty()) {
    const std::size_t want = std::min<std::size_t>(data.size(), std::size_t{1} << 30);
    const ssize_t put = ::write(descriptor_, data.data(), want);
    if (put < 0) {
      if (errno == EINTR) continue;
      fail_posix(errno, "write", path_);
    }
    data = data.subspan(static_cast<std::size_t>(put));
  }
}

void AtomicFile::flush_buffer() {
  write_through(buffer_);
  buffer_.clear();
}

void AtomicFile::write(std::span<const std::byte> data) {
  require(descriptor_ >= 0, ErrorCode::kState, "file", "write after commit");
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
  require(descriptor_ >= 0, ErrorCode::kState, "file", "commit called twice");
  flush_buffer();
  if (reserved_ > position_ && ::ftruncate(descriptor_, static_cast<off_t>(position_)) != 0) {
    fail_posix(errno, "write", path_);
  }
  struct stat created {};
  if (::fstat(descriptor_, &created) == 0) {
    const mode_t wanted = permissions_for(target_, created.st_mode & 07777);
    if (wanted != (created.st_mode & 07777) && ::fchmod(descriptor_, wanted) != 0) {
      fail_posix(errno, "set the permissions", path_);
    }
  }
  if (options_.durable && ::fsync(descriptor_) != 0) fail_posix(errno, "write", path_);

  if (temporary_.empty()) {
    // A nameless file can be given a free name only, so replacing takes a second step, as for named ones.
    const std::string link = cat("/proc/self/fd/", descriptor_);
    const std::string name = options_.replace ? temporary_name(target_) : target_;
    if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      fail_posix(errno, "write", path_);
    }
    if (options_.replace) temporary_ = name;
  }
  if (!temporary_.empty()) {
    if (options_.replace) {
      if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_posix(errno, "replace", path_);
    } else {
      if (::link(temporary_.c_str(), target_.c_str()) != 0) fail_posix(errno, "write", path_);
      ::unlink(temporary_.c_str());
    }
    temporary_.clear();
  }
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_posix(errno, "close", path_);
  if (options_.durable) {
    const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) {
      // Some file systems cannot sync a directory (EINVAL); the data itself is synced already.
      const bool failed = ::fsync(directory) != 0 && errno != EINVAL;
      const int number = errno;
      ::close(directory);
      if (failed) fail_posix(number, "write", path_);
    }
  }
}

}  // namespace sconce
