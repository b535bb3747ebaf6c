#include "sconce/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#include "base/posix.h"
#include "sconce/base/error.h"
#include "sconce/base/interrupt.h"

namespace sconce {
namespace {

// Between reads of this size a request to stop is noticed.
constexpr std::size_t kLargestRead = std::size_t{1} << 26;

std::atomic<std::uint64_t> all_bytes_read{0};

}  // namespace

File::File(std::string path, int descriptor, std::uint64_t size)
    : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

File File::open(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer; it is refused below.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail_posix(errno, "open", path);
  File file(path, descriptor, 0);
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) fail_posix(errno, "stat", path);
  if (!S_ISREG(info.st_mode)) {
    throw Error(ErrorCode::kInvalidArgument, "file",
                S_ISDIR(info.st_mode) ? "expected a file, found a directory" : "expected a regular file")
        .in_file(path);
  }
  file.size_ = static_cast<std::uint64_t>(info.st_size);
  return file;
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void File::read_at(std::span<std::byte> out, std::uint64_t offset) const {
  if (offset > size_ || out.size() > size_ - offset) {
    throw Error(
        ErrorCode::kTruncated, "file",
        cat("expected ", out.size(), " bytes at byte ", offset, ", but the file ends at byte ", size_))
        .in_file(path_);
  }
  while (!out.empty()) {
    throw_if_stop_requested();
    const std::size_t want = std::min(out.size(), kLargestRead);
    const ssize_t got = ::pread(descriptor_, out.data(), want, static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      fail_posix(errno, "read", path_);
    }
    if (got == 0) {
      throw Error(ErrorCode::kTruncated, "file",
                  cat("the file became shorter while it was read: nothing at byte ", offset))
          .in_file(path_);
    }
    all_bytes_read.fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

std::vector<std::byte> File::read_at(std::uint64_t offset, std::uint64_t n) const {
  if (offset > size_ || n > size_ - offset) {
    throw Error(ErrorCode::kTruncated, "file",
                cat("expected ", n, " bytes at byte ", offset, ", but the file ends at byte ", size_))
        .in_file(path_);
  }
  std::vector<std::byte> out(static_cast<std::size_t>(n));
  read_at(out, offset);
  return out;
}

std::uint64_t bytes_read() { return all_bytes_read.load(std::memory_order_relaxed); }

std::vector<std::byte> read_file(const std::string& path, std::uint64_t limit) {
  const File file = File::open(path);
  if (file.size() > limit) {
    throw Error(ErrorCode::kLimit, "file", cat("the file has ", file.size(), " bytes, the limit is ", limit))
        .in_file(path);
  }
  return file.read_at(0, file.size());
}

MappedFile::MappedFile(const File& file) {
  if (file.size() == 0) return;  // an empty map is an error to the kernel
  void* address =
      ::mmap(nullptr, file.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.descriptor_, 0);
  if (address == MAP_FAILED) fail_posix(errno, "map", file.path());
  bytes_ = {static_cast<std::byte*>(address), static_cast<std::size_t>(file.size())};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace sconce
