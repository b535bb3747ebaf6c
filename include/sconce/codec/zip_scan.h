// Finds the records of a zip archive that is cut off or damaged, and says of each what can be proven.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/codec/zip_reader.h"

namespace sconce::zip {

// A record whose header was found.
struct FoundRecord {
  std::string name;         // by its own header; by the central directory when that cannot be read
  std::string listed_name;  // by the central directory; empty when no entry of it was found
  Method method = Method::kStored;
  std::uint64_t header_offset = 0;
  std::uint64_t payload_offset = 0;
  std::uint64_t compressed_size = 0;
  std::uint64_t size = 0;
  std::vector<std::uint32_t> checksums;  // the CRC-32s recorded for it, in up to three places; none that is 0
  std::string problem;                   // why its bytes cannot be had; empty when they are all there

  bool is_listed() const { return !listed_name.empty(); }
  // False when header and central directory give it different names, the case of letters aside.
  bool has_one_name() const { return !is_listed() || fold_case(listed_name) == fold_case(name); }
};

struct Scan {
  std::vector<FoundRecord> records;  // in the order of the file
  bool has_directory = false;        // the central directory was found, whole
  std::string stopped;               // why the walk ended before the central directory; empty when it did not
};

struct ScanOptions {
  ReaderLimits limits;
  // Bytes searched for the end of a record whose size nothing tells.
  std::uint64_t search_bytes = std::uint64_t{1} << 30;
  // Sizes known from elsewhere. A record is taken to be as long as this says, whatever its bytes look like.
  std::function<std::optional<std::uint64_t>(std::string_view name)> known_size;
  // Ends the walk after the record for which it says true.
  std::function<bool(const FoundRecord&)> is_enough;
};

// Walks from record to record: by the central directory as far as it can be read, and where there is none
// from the end of one record to the header of the next. Headers are never searched for, because tensors may
// hold archives. The end of a record of unknown size is the data descriptor that counts exactly the bytes
// before it. Checksums of stored records are not compared, read_found() does. Errors: kIo and the like only.
Scan scan(const ByteSource& source, const ScanOptions& options = {});

// The record's bytes into `out`, which has record.size bytes. True when they match one of its checksums,
// false when it has none. Errors: kChecksum when it has some and none matches; kCorrupt, kTruncated.
bool read_found(const ByteSource& source, const FoundRecord& record, std::span<std::byte> out);

}  // namespace sconce::zip
