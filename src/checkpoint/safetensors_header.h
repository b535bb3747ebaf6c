// The header of a safetensors file (formats.md F).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/base/byte_source.h"
#include "sconce/core/dtype.h"
#include "sconce/core/shape.h"

namespace sconce::checkpoint::safetensors {

inline constexpr std::size_t kMaxName = 65536;  // bytes of a tensor's name

struct Entry {
  std::string name;
  DType dtype = kFloat32;
  Shape shape;              // ours: elements that hold several values count once
  std::uint64_t begin = 0;  // of the data, from the beginning of the data buffer
  std::uint64_t end = 0;
};

struct Header {
  std::vector<Entry> entries;  // in the order of their data
  std::vector<std::pair<std::string, std::string>> metadata;
  std::uint64_t data_offset = 0;  // of the data buffer in the file
};

// Reads and checks the header of `source`. Errors: kTruncated, kCorrupt, kOverflow, kLimit (longer than
// `header_bytes`, deep nesting, long names), kUnsupported (an unknown dtype).
Header read_header(const ByteSource& source, std::uint64_t header_bytes);
// The same for a file whose data may end early or go on.
Header read_header_alone(const ByteSource& source, std::uint64_t header_bytes);

// The header's bytes, with its length before it and padded to 8 bytes. Entries are in the order of their
// data.
std::vector<std::byte> write_header(const Header& header);

// How many values of the file's shape are one element of ours.
inline std::int64_t values_per_element(DType dtype) {
  return dtype == kFloat4E2M1FNx2 ? 2 : is_in_torch(dtype) ? 1 : 4;
}

// Where a dtype stands in the order of the format; the writer puts later ones first.
int dtype_rank(DType dtype);

}  // namespace sconce::checkpoint::safetensors
