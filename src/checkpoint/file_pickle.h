// A pickle that stands somewhere in a file of any size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

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

// Reads the pickle that begins at `begin` and ends before `end`, and not much more of the file than that:
// where a pickle ends shows only when it is parsed. Errors: those of pickle::parse, with offsets in the file;
// kLimit for a pickle of more than options.pickle_bytes.
FilePickle read_pickle(const ByteSource& source, std::uint64_t begin, std::uint64_t end,
                       const LoadOptions& options);

}  // namespace sconce::checkpoint
