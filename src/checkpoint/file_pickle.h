// A pickle that stands somewhere in a file of any size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sconce/base/byte_source.h"
#include "sconce/checkpoint/load.h"
#include "sconce/codec/pickle.h"

namespace sconce::checkpoint {

struct FilePickle {
  pickle::Graph graph;
  std::uint64_t end = 0;              // in the file, behind its STOP
  std::span<const std::byte> window;  // the bytes that were read for it, which the graph keeps
  std::uint64_t window_offset = 0;    // where they stand in the file
};

// Reads the pickle that begins at `begin` and ends before `end`, and no more of the file than that. A long
// one is surveyed first: one that is damaged or that makes too much of its bytes is refused before memory is
// spent. Errors: those of pickle::parse, with offsets in the file; kLimit for a pickle of more than
// options.pickle_bytes.
FilePickle read_pickle(const ByteSource& source, std::uint64_t begin, std::uint64_t end,
                       const LoadOptions& options);

// The same for whoever looks at damaged ones, too.
struct WindowedPickle {
  std::vector<std::byte> window;  // the bytes that `parsed` refers to
  pickle::Parsed parsed;          // of a long damaged pickle what its beginning holds, and its error
  std::uint64_t end = 0;          // position in the source after STOP, or of the failure
};
WindowedPickle parse_in_window(const ByteSource& source, std::uint64_t begin, std::uint64_t limit,
                               const LoadOptions& options, std::uint64_t base_offset);

}  // namespace sconce::checkpoint
