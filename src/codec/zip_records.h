// The structures of a zip archive, each read and checked by itself: what the strict reader and the scanner of
// damaged archives share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/byte_reader.h"
#include "sconce/base/byte_source.h"
#include "sconce/codec/zip_reader.h"

namespace sconce::zip {

constexpr std::size_t kChunkBytes = std::size_t{1} << 18;  // read at once: fits a cache

inline constexpr std::string_view kZipAnew = "unpack it and zip it anew, as one file without a password";

template <class... Parts>
[[noreturn]] void fail_at(std::uint64_t offset, ErrorCode code, const Parts&... parts) {
  const bool is_foreign = code == ErrorCode::kUnsupported;  // made by no tool that writes checkpoints
  throw Error(code, "zip", cat(parts...)).at_offset(offset).with_advice(is_foreign ? kZipAnew : "");
}

template <class... Parts>
void require_at(bool condition, std::uint64_t offset, ErrorCode code, const Parts&... parts) {
  if (!condition) fail_at(offset, code, parts...);
}

// Adds a deflated record to what its archive inflates to. Errors, at `offset`: kCorrupt when its bytes cannot
// hold so many, kLimit above `most`.
void count_inflated(std::uint64_t& inflated, const Entry& entry, std::uint64_t offset, std::uint64_t most);

// The n bytes at `offset`; Error kTruncated before any memory is taken.
std::vector<std::byte> bytes_at(const ByteSource& source, std::uint64_t offset, std::uint64_t n);

// Where the central directory lies.
struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// From the end records at the end of the file. Errors: kTruncated, kCorrupt, kUnsupported.
Directory read_directory_place(const ByteSource& source);

// The bytes of the next entry of the central directory, up to where the one after it begins. Error kCorrupt.
std::span<const std::byte> next_central(ByteReader& in);
// The central directory, entry after entry, of which a window is in memory.
class DirectoryWindow {
 public:
  DirectoryWindow(const ByteSource& source, const Directory& directory);
  // The next entry, valid until the one after it is asked for. Error kCorrupt.
  ByteReader next();
  std::uint64_t offset() const { return begin_ + in_.position(); }
  std::uint64_t remaining() const { return end_ - offset(); }

 private:
  const ByteSource& source_;
  std::uint64_t begin_;  // of the window
  std::uint64_t end_;    // of the directory
  std::vector<std::byte> window_;
  ByteReader in_;
};
// The entry that these are; next_offset is left open. Errors: kCorrupt, kUnsupported, kUnsafe.
Entry read_central(ByteReader in);

// The header before a record's bytes. With kFlagDescriptor its sizes and checksum may be 0.
struct LocalHeader {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::uint64_t compressed_size = 0;
  std::uint64_t size = 0;
  std::uint64_t bytes = 0;  // of the header with its name and extra fields
};

// The header at `at`, which `record` names in messages. Errors: kCorrupt (no header there, malformed extra
// fields), kTruncated; kUnsafe when it does not leave `payload` bytes before `limit`.
LocalHeader read_local(const ByteSource& source, std::string_view record, std::uint64_t at,
                       std::uint64_t payload, std::uint64_t limit);

}  // namespace sconce::zip
