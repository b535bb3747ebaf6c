// Reads zip archives the way a checkpoint needs it: strictly, at random, and touching only what is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/byte_source.h"
#include "sconce/base/error.h"
#include "sconce/base/hash_index.h"

namespace sconce::zip {

enum class Method : std::uint16_t { kStored = 0, kDeflated = 8 };

// One record, from the central directory.
struct Entry {
  std::string name;
  Method method = Method::kStored;
  std::uint16_t flags = 0;
  std::uint64_t compressed_size = 0;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  std::uint64_t header_offset = 0;  // of the local header
  std::uint64_t next_offset = 0;    // where the next record or the central directory begins

  bool is_directory() const { return name.ends_with('/'); }
  // False when the writer left the checksum out (it is 0 although there are bytes).
  bool crc_recorded() const { return crc != 0 || size == 0; }
};

struct ReaderLimits {
  std::uint64_t entries = 1'000'000;
  std::uint64_t inflated_bytes = std::uint64_t{4} << 30;  // of all deflated records together
  std::uint64_t name_bytes = std::uint64_t{64} << 20;     // of all names; of a million records, 67 each
  // Names that differ in the case of letters only are two records, as numpy has it; else they are an error.
  bool case_sensitive = false;
};

// What to do with a recorded checksum.
enum class Check : std::uint8_t { kCrc, kNone };

class Reader {
 public:
  using Chunk = std::function<void(std::span<const std::byte>)>;

  // Reads the end records and the central directory and checks everything that they can show. Errors:
  // kTruncated, kCorrupt, kUnsupported, kUnsafe (record names, overlapping records), kLimit. With `faults`,
  // what is wrong with single records is added there, in order, and these records are left out.
  explicit Reader(std::shared_ptr<const ByteSource> source, const ReaderLimits& limits = {},
                  std::vector<Error>* faults = nullptr);

  const ByteSource& source() const { return *source_; }
  // In the order of the central directory.
  std::span<const Entry> entries() const { return entries_; }
  // By name, ignoring the case of ASCII letters as PyTorch does unless the archive was opened otherwise; null
  // when there is none.
  const Entry* find(std::string_view name) const;

  // Where the bytes of the record begin. Reads the local header and holds it against the central entry.
  std::uint64_t payload_offset(const Entry& entry) const;

  // Holds the data descriptor behind the payload, where the record says there is one, against the central
  // entry. Nobody needs it; Error kCorrupt when it contradicts.
  void check_descriptor(const Entry& entry) const;

  // The record's bytes, inflated when they are deflated. Errors: kChecksum, kCorrupt, kTruncated.
  std::vector<std::byte> read(const Entry& entry, Check check = Check::kCrc) const;
  // The same into `out`, which has entry.size bytes.
  void read_into(const Entry& entry, std::span<std::byte> out, Check check = Check::kCrc) const;
  // The same as a source, unchecked, of which nothing is kept in memory; for one thread, as long as this
  // Reader. It is meant to be read onwards.
  std::unique_ptr<ByteSource> open(const Entry& entry) const;
  // Its first bytes, at most `n`, unchecked.
  std::vector<std::byte> read_prefix(const Entry& entry, std::size_t n) const;
  // The same as read() in pieces of at most 256 KiB; the checksum is compared after the last one.
  void read_chunks(const Entry& entry, const Chunk& chunk, Check check = Check::kCrc) const;

 private:
  bool is_same_name(std::string_view a, std::string_view b) const;
  std::uint32_t hash_of(std::string_view name) const;
  // Of the entry of that name and hash, in entries_.
  std::optional<std::uint32_t> number_of(std::string_view name, std::uint32_t hash) const;
  void add_entry(Entry entry, std::uint64_t at, const ReaderLimits& limits);

  std::shared_ptr<const ByteSource> source_;
  std::uint64_t inflated_ = 0;
  std::vector<Entry> entries_;
  bool case_sensitive_;
  std::uint64_t name_bytes_ = 0;
  HashIndex index_;  // of entries_, by name
};

// Throws kUnsafe for a record name that could escape a folder or be read as another: empty, NUL, backslash,
// leading
// '/', drive letter, empty, "." or ".." component, invalid UTF-8. A trailing '/' (a directory) is fine.
void check_record_name(std::string_view name);

// `name` with its ASCII letters in lower case: names that are equal so are the same record to PyTorch.
std::string fold_case(std::string_view name);

}  // namespace sconce::zip
