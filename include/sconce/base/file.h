// Files: random-access reading, read-only maps, and writing that replaces a file atomically.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/byte_source.h"

namespace sconce {

// A file opened for reading. Reads name their position, so one File may be read from several threads.
class File : public ByteSource {
 public:
  // Errors: kNotFound, kPermission, kIo; a directory is kInvalidArgument.
  static File open(const std::string& path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File() override;

  const std::string& path() const { return path_; }
  std::uint64_t size() const override { return size_; }
  // Fills `out` from `offset`; Error kTruncated when the file ends first.
  void read_at(std::span<std::byte> out, std::uint64_t offset) const override;
  // The n bytes at `offset`; the size is checked against the file before memory is taken.
  std::vector<std::byte> read_at(std::uint64_t offset, std::uint64_t n) const;

 private:
  friend class MappedFile;
  File(std::string path, int descriptor, std::uint64_t size);
  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// The bytes that all Files of this process have read so far: how far a long reading is.
std::uint64_t bytes_read();

// The whole of a small file. `limit` bounds its size (Error kLimit).
std::vector<std::byte> read_file(const std::string& path, std::uint64_t limit = std::uint64_t{1} << 30);

// A private, copy-on-write map of a whole file. Writing to it changes memory only, never the file. The bytes
// are not checked against anything, and a file that another program truncates while it is mapped raises
// SIGBUS: map only what nobody else writes.
class MappedFile {
 public:
  explicit MappedFile(const File& file);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

struct WriteOptions {
  bool replace = true;  // false: Error kExists when the target is there
  bool durable = true;  // data and directory entry are on disk when commit() returns
};

// Writes a file that appears under its name whole or not at all. Where the file system allows it the bytes
// have no name before commit(), so a killed program leaves nothing behind. Without commit() nothing changes.
class AtomicFile : public ByteSink {
 public:
  // Errors: kNotFound (no such folder), kPermission, kExists, kIo; not a file's name is kInvalidArgument.
  explicit AtomicFile(std::string path, const WriteOptions& options = {});
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() override;

  // Reserves `size` bytes on disk; Error kNoSpace at once instead of half-way.
  void reserve(std::uint64_t size);
  // After an Error (kNoSpace, kIo) the file is given up: write and commit are then kState.
  void write(std::span<const std::byte> data) override;
  void write(std::string_view text);
  std::uint64_t position() const { return position_; }
  // Makes the file appear under its name; keeps the permissions of a file it replaces.
  void commit();

 private:
  void abandon();
  void flush_buffer();
  void write_through(std::span<const std::byte> data);
  std::string path_;    // what the caller named
  std::string target_;  // where the bytes go: path_ with symbolic links resolved
  std::string directory_;
  std::string temporary_;  // empty while the file has no name
  WriteOptions options_;
  int descriptor_ = -1;
  std::uint64_t position_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace sconce
