// What LoadOptions mean for the codecs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sconce/checkpoint/load.h"
#include "sconce/codec/pickle.h"
#include "sconce/codec/zip_reader.h"

namespace sconce::checkpoint {

inline constexpr std::size_t kMaxRank = 64;  // dimensions of a tensor, as PyTorch and numpy allow

// The bounds of an archive. Of npz, names are told apart by the case of their letters, too.
zip::ReaderLimits zip_limits(const LoadOptions& options, bool case_sensitive = false);

// Checks the size of a pickle of `size` bytes that takes `stored` bytes in the file (less when it is
// deflated) and gives the limits to read it with: what a small file can make of itself stays small. Error
// kLimit.
pickle::Limits pickle_limits(const LoadOptions& options, std::uint64_t size, std::uint64_t stored);

}  // namespace sconce::checkpoint
