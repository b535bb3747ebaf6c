// Tensors of a safetensors file that have more than one name (formats.md F.3).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_header.h"

namespace sconce::checkpoint::safetensors {

// `name` is the same tensor as `kept`, which the file holds.
struct Alias {
  std::string name;
  std::string kept;
};

// Takes the aliases out of the metadata of a header that was read. They stand under the key "sconce.aliases",
// a JSON object of names (Error kCorrupt when it contradicts the file). In files of other writers, entries
// {removed: kept} of safetensors.torch.save_model are taken for aliases when `kept` is a tensor of the file,
// `removed` is none, and both end in the same component (decoder.weight, encoder.weight) or every entry of
// the metadata, save "format", is of that form; everything else stays ordinary metadata.
std::vector<Alias> take_aliases(Header& header);

// Adds aliases to metadata to be written: in our form and, where the key is free, in save_model's.
void put_aliases(const std::vector<Alias>& aliases,
                 std::vector<std::pair<std::string, std::string>>& metadata);

}  // namespace sconce::checkpoint::safetensors
