#include "checkpoint/file_pickle.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace sconce::checkpoint {

namespace {

constexpr std::uint64_t kFirstWindow = 4096;
constexpr std::uint64_t kGrowth = 4;  // so all windows together are a third more than the last

}  // namespace

FilePickle read_pickle(const ByteSource& source, std::uint64_t begin, std::uint64_t end,
                       const LoadOptions& options) {
  const std::uint64_t most = std::min(end - begin, options.pickle_bytes);
  for (std::uint64_t size = std::min(kFirstWindow, most);; size = std::min(most, size * kGrowth)) {
    const auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(size));
    source.read_at(*bytes, begin);
    const std::span<const std::byte> window(*bytes);
    pickle::Parsed parsed = pickle::parse_at({window, bytes, begin}, 0, options.pickle);
    if (!parsed.error) return {std::move(parsed.graph), begin + parsed.end, window, begin};
    if (parsed.error->code() != ErrorCode::kTruncated) throw *parsed.error;
    if (size < most) continue;
    if (size == end - begin) throw *parsed.error;
    throw Error(ErrorCode::kLimit, "pickle", cat("a pickle of more than ", most, " bytes")).at_offset(begin);
  }
}

}  // namespace sconce::checkpoint
