// Writes zip archives with the byte layout of PyTorch's own writer: stored records, payloads aligned, real
// CRC-32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/byte_source.h"
#include "sconce/base/byte_writer.h"
#include "sconce/base/hash_index.h"

namespace sconce::zip {

struct WriterOptions {
  std::uint64_t alignment = 64;  // of every payload in the file; a power of two, 1 to 32768
  bool case_sensitive = false;   // names may differ in the case of letters only
};

class Writer {
 public:
  // `sink` must outlive the writer and be at its beginning.
  explicit Writer(ByteSink& sink, const WriterOptions& options = {});

  // A record in one piece. `crc` spares computing it when the caller has it.
  void add(std::string_view name, std::span<const std::byte> data, std::optional<std::uint32_t> crc = {});

  // A record in pieces: begin, any number of writes with `size` bytes in all, end. Errors: kUnsafe (name),
  // kExists (name used before, ignoring case), kState (out of order, or another number of bytes than
  // promised).
  void begin(std::string_view name, std::uint64_t size);
  void write(std::span<const std::byte> data);
  void end(std::optional<std::uint32_t> crc = {});

  // The central directory and the end records. Nothing may follow.
  void finish();

  std::uint64_t position() const { return position_; }

 private:
  struct Written {
    std::string name;
    std::uint64_t size = 0;
    std::uint32_t crc = 0;
    std::uint64_t header_offset = 0;
  };
  void put(std::span<const std::byte> data);

  ByteSink& sink_;
  WriterOptions options_;
  std::uint64_t position_ = 0;
  std::uint64_t left_ = 0;  // bytes of the open record still to come
  std::uint32_t crc_ = 0;   // of the open record so far
  bool open_ = false;
  bool finished_ = false;
  std::vector<Written> records_;
  HashIndex names_;     // of records_
  ByteWriter scratch_;  // a header, while it is made
};

struct Record {
  std::string_view name;
  std::uint64_t size = 0;
};

// The number of bytes of the archive that Writer makes of `records` in this order.
std::uint64_t archive_size(std::span<const Record> records, const WriterOptions& options = {});

}  // namespace sconce::zip
