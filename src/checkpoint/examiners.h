// The parts of examine(), one for each kind of container.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "sconce/base/byte_source.h"
#include "sconce/checkpoint/examine.h"

namespace sconce::checkpoint {

using SourcePtr = std::shared_ptr<const ByteSource>;

// Fill everything but `listing`.
void examine_zip(const SourcePtr& source, const LoadOptions& options, Examination& out);
// torch.save of PyTorch 1.5 and before, and plain pickles: pickles one after the other.
void examine_stream(const SourcePtr& source, const LoadOptions& options, Examination& out);
// torch.save of PyTorch 0.1.
void examine_tar(const SourcePtr& source, const LoadOptions& options, Examination& out);

Problem problem_of(const Error& error, const std::string& record = {});

// The pickle at `begin`, read through a window that grows as long as the pickle does: what follows it may be
// large. `window` keeps the bytes that the result refers to.
struct WindowedPickle {
  std::vector<std::byte> window;
  pickle::Parsed parsed;
  std::uint64_t end = 0;  // position in the source after STOP, or of the failure
};
WindowedPickle parse_in_window(const ByteSource& source, std::uint64_t begin, std::uint64_t limit,
                               const LoadOptions& options, std::uint64_t base_offset);

// True when `head` begins like a pickle of protocol 2 or newer.
bool looks_like_pickle(std::span<const std::byte> head);

}  // namespace sconce::checkpoint
