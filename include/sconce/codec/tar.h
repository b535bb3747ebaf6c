// Lists POSIX ustar and PAX archives (the container of PyTorch 0.1). Nothing is ever extracted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sconce/base/byte_source.h"

namespace sconce::tar {

struct Member {
  std::string name;
  std::uint64_t offset = 0;  // of its bytes
  std::uint64_t size = 0;
};

struct Limits {
  std::size_t members = 100'000;
  std::uint64_t header_bytes = std::uint64_t{1} << 20;  // of one PAX header
};

// True when a ustar header stands at the start of `source`.
bool is_tar(const ByteSource& source);

// The regular files of the archive, in order. Errors: kCorrupt (checksum, numbers, PAX records), kTruncated
// (a size beyond the file, no end), kUnsafe (links, folders, devices, a name given twice), kLimit.
std::vector<Member> list(const ByteSource& source, const Limits& limits = {});

}  // namespace sconce::tar
