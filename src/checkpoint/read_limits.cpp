#include "checkpoint/read_limits.h"

#include <algorithm>
#include <limits>

#include "sconce/base/error.h"

namespace sconce::checkpoint {
namespace {

// What the ratio does not hold for: so much is always read.
constexpr std::uint64_t kSmallPickle = std::uint64_t{32} << 20;

// Part of the ratio is what a pickle deflates by; without that its nodes may take so many times less.
constexpr std::uint64_t kDeflates = 4;

// `bytes` times a ratio; what does not fit is no bound.
std::uint64_t scaled(std::uint64_t bytes, std::uint64_t ratio) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max() - 3 * kSmallPickle;
  std::uint64_t out = 0;
  return __builtin_mul_overflow(bytes, ratio, &out) ? kMost : std::min(out, kMost);
}

}  // namespace

zip::ReaderLimits zip_limits(const LoadOptions& options, bool case_sensitive) {
  return {.entries = options.zip_entries,
          .inflated_bytes = options.inflated_bytes,
          .name_bytes = options.walk.name_bytes,
          .case_sensitive = case_sensitive};
}

pickle::Limits pickle_limits(const LoadOptions& options, std::uint64_t size, std::uint64_t stored) {
  const std::uint64_t by_stored = scaled(std::min(stored, options.pickle_bytes), options.pickle_ratio);
  const std::uint64_t by_size =
      scaled(std::min(size, options.pickle_bytes), options.pickle_ratio / kDeflates);
  const std::uint64_t most = size <= stored
                                 ? options.pickle_bytes
                                 : std::min(options.pickle_bytes, std::max(kSmallPickle, by_stored));
  require_limit(size <= most, size > options.pickle_bytes ? "pickle" : "ratio", "torch", "a pickle has ",
                size, " bytes (", stored, " in the file), at most ", most, " are read");
  pickle::Limits out = options.pickle;
  if (const std::uint64_t by_ratio = 3 * kSmallPickle + std::min(by_stored, by_size); by_ratio < out.memory) {
    out.memory = by_ratio;
    out.memory_name = "ratio";
  }
  return out;
}

}  // namespace sconce::checkpoint
