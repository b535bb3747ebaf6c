// Reading the tensors of a safetensors file once its header is known.
#pragma once

#include <span>

#include "checkpoint/safetensors_alias.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/source.h"
#include "sconce/checkpoint/load.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint::safetensors {

// A dict of `entries`, which are some or all of header.entries, and of further names of theirs, with the
// header's metadata.
Value read_tensors(const Source& source, const Header& header, std::span<const Entry> entries,
                   std::span<const Alias> aliases, const LoadOptions& options);

}  // namespace sconce::checkpoint::safetensors
