#include "checkpoint/npy_array.h"

#include <utility>

#include "checkpoint/source.h"
#include "sconce/base/error.h"

namespace sconce::checkpoint::npy {

void check_size(const Header& header, std::uint64_t size) {
  const std::uint64_t present = size - header.size;
  at_offset(header.shape_at, [&] {
    require(header.data_bytes <= present, ErrorCode::kTruncated, "npy", "the array of shape ",
            header.geometry.shape, " needs ", header.data_bytes, " bytes, ", present, " are there");
    require(header.data_bytes == present, ErrorCode::kCorrupt, "npy", "the array of shape ",
            header.geometry.shape, " has ", header.data_bytes, " bytes, ", present, " are there");
  });
}

void fix_order(const Header& header, std::span<std::byte> data) {
  if (header.needs_swap) swap_words(data, dtype_info(header.dtype).word);
}

Value value_of(const Header& header, Storage storage) {
  return Value(Array(std::move(storage), header.dtype, header.geometry));
}

}  // namespace sconce::checkpoint::npy
