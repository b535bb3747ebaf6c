// An array in numpy's .npy format: what stands behind its header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "checkpoint/npy_header.h"
#include "sconce/core/storage.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint::npy {

// What the names of the records of a .npz end in.
inline constexpr std::string_view kSuffix = ".npy";

// Errors kTruncated and kCorrupt unless a file of `size` bytes holds the header and the data, and no more.
void check_size(const Header& header, std::uint64_t size);

// Turns `data` into the machine's order of bytes.
void fix_order(const Header& header, std::span<std::byte> data);

// `storage` has the data in the machine's order of bytes.
Value value_of(const Header& header, Storage storage);

// read(n) gives the first n bytes, or all when there are fewer. Errors as parse_header().
template <class Read>
Header header_from(const Read& read) {
  std::vector<std::byte> head = read(kFirstBytes);
  const std::size_t size = header_size(head);
  if (size > head.size()) head = read(size);
  return parse_header(head);
}

}  // namespace sconce::checkpoint::npy
