// What readers read from and writers write to: files, or memory in tests and fuzz targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "sconce/base/error.h"

namespace sconce {

// Bytes that can be read at any position, from several threads at once.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::uint64_t size() const = 0;
  // Fills `out` from `offset`; Error kTruncated when the source ends first.
  virtual void read_at(std::span<std::byte> out, std::uint64_t offset) const = 0;
};

// A ByteSource over bytes that someone else owns.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  void read_at(std::span<std::byte> out, std::uint64_t offset) const override {
    require(offset <= bytes_.size() && out.size() <= bytes_.size() - offset, ErrorCode::kTruncated, "memory",
            "expected ", out.size(), " bytes at byte ", offset, " of ", bytes_.size());
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
  }

 private:
  std::span<const std::byte> bytes_;
};

// A part of another source, which must live as long.
class SourcePart : public ByteSource {
 public:
  SourcePart(const ByteSource& whole, std::uint64_t offset, std::uint64_t size)
      : whole_(whole), offset_(offset), size_(size) {}
  std::uint64_t size() const override { return size_; }
  void read_at(std::span<std::byte> out, std::uint64_t offset) const override {
    require(offset <= size_ && out.size() <= size_ - offset, ErrorCode::kTruncated, "part", "expected ",
            out.size(), " bytes at byte ", offset, " of ", size_);
    whole_.read_at(out, offset_ + offset);
  }

 private:
  const ByteSource& whole_;
  std::uint64_t offset_;
  std::uint64_t size_;
};

// Takes bytes in order.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(std::span<const std::byte> data) = 0;
};

// A ByteSink that keeps everything in memory.
class MemorySink : public ByteSink {
 public:
  void write(std::span<const std::byte> data) override {
    bytes_.insert(bytes_.end(), data.begin(), data.end());
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace sconce
