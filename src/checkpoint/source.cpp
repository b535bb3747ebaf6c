#include "checkpoint/source.h"

#include <algorithm>

namespace sconce::checkpoint {

std::optional<Storage> Source::mapped(std::uint64_t offset, std::uint64_t size, std::size_t alignment) const {
  if (!map || offset % alignment != 0) return std::nullopt;
  const auto whole = map->bytes();
  require(offset <= whole.size() && size <= whole.size() - offset, ErrorCode::kTruncated, "checkpoint",
          "expected ", size, " bytes at byte ", offset, " of ", whole.size());
  return Storage::wrap(whole.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)), map);
}

void swap_words(std::span<std::byte> bytes, std::size_t word) {
  if (word < 2) return;
  for (std::size_t i = 0; i + word <= bytes.size(); i += word) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + word));
  }
}

}  // namespace sconce::checkpoint
