// What can still be proven whole in a truncated or damaged checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sconce/checkpoint/format.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/pickle_facts.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

struct SalvagedTensor {
  std::string name;  // as named_arrays() gives it
  // False when nothing in the file confirms it: no checksum is recorded for its bytes or for its description.
  bool is_checked = false;
};

struct LostTensor {
  std::string name;
  std::string reason;
};

struct Salvage {
  Format format = Format::kTorchZip;
  std::uint64_t file_size = 0;
  // The tree of the file without what is lost: lost entries of dicts are left out; in lists and tuples None
  // stands in their place. Nothing is ever filled up. Pickled modules are their state_dicts.
  Value value;
  std::vector<SalvagedTensor> recovered;
  std::vector<LostTensor> lost;
  std::vector<std::string> notes;    // what was found out about the damage
  std::vector<PickleFacts> pickles;  // the description, where it is a pickle
};

// Reads whatever of a file is proven: a tensor is recovered when its description is intact, all of its bytes
// are there, and they match their checksum where there is one. Tensors that stand on a lost storage are lost,
// all of them. What was recovered is in memory. Errors: as load(), and kCorrupt, kChecksum, kTruncated when
// the description itself (data.pkl, the header of safetensors) is damaged, so that nothing can be named.
Salvage salvage(const std::string& path, const LoadOptions& options = {});
Salvage salvage(std::span<const std::byte> bytes, const LoadOptions& options = {});

// True when salvage() would find a description and at least one tensor's bytes in their place. Reads headers
// and the description only, never throws.
bool can_salvage(const std::string& path, const LoadOptions& options = {});

}  // namespace sconce::checkpoint
