#include "checkpoint/read_limits.h"

#include <algorithm>
#include <limits>

#include "sconce/base/error.h"

namespace sconce::checkpoint {
namespace {

// What the ratio does not hold for: so much is always read.
constexpr std::uint64_t kSmallPickle = std::uint64_t{32} << 20;

// `bytes` times the ratio; what does not fit is no bound.
std::uint64_t scaled_by_ratio(std::uint64_t bytes, const LoadOptions& options) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max() - 3 * kSmallPickle;
  std::uint64_t out = 0;
  return __builtin_mul_overflow(bytes, options.pickle_ratio, &out) ? kMost : std::min(out, kMost);
}

}  // namespace

zip::ReaderLimits zip_limits(const LoadOptions& options, bool case_sensitive) {
  return {.entries = options.zip_entries,
          .inflated_bytes = options.inflated_bytes,
          .case_sensitive = case_sensitive};
}

pickle::Limits pickle_limits(const LoadOptions& options, std::uint64_t size, std::uint64_t stored) {
  const std::uint64_t scaled = scaled_by_ratio(std::min(stored, options.pickle_bytes), options);
  const std::uint64_t most =
      size <= stored ? options.pickle_bytes : std::min(options.pickle_bytes, std::max(kSmallPickle, scaled));
  require(size <= most, ErrorCode::kLimit, "torch", "a pickle has ", size, " bytes (", stored,
          " in the file), at most ", most, " are read");
  pickle::Limits out = options.pickle;
  out.memory = std::min(out.memory, 3 * kSmallPickle + scaled);
  return out;
}

}  // namespace sconce::checkpoint
