// Whether torch.load(weights_only=True) takes a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sconce::checkpoint {

// The answer of one version of PyTorch, as if the file were loaded with map_location="cpu".
struct WeightsOnly {
  std::string version;  // "1.13", "2.6", "2.13"
  bool accepted = true;
  std::string reason;                   // of a refusal: the first one, in plain words
  std::string record;                   // the record where it stands, empty for the whole file
  std::optional<std::uint64_t> offset;  // of the opcode within that record
};

}  // namespace sconce::checkpoint
