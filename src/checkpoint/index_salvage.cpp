// Salvage of a checkpoint in several files: the index must be whole, each file is salvaged by itself.
#include <algorithm>
#include <map>
#include <optional>

#include "checkpoint/folder_file.h"
#include "checkpoint/index_file.h"
#include "checkpoint/salvagers.h"
#include "checkpoint/trouble.h"
#include "sconce/checkpoint/named.h"

namespace sconce::checkpoint {
namespace {

// One file of the set, or why it cannot be had.
struct Shard {
  std::optional<Salvage> salvage;
  std::string loss;
  std::map<std::string, bool> recovered;  // name -> is checked
  std::map<std::string, std::string> lost;
};

Shard read_shard(const std::string& folder, const std::string& name, const LoadOptions& options) {
  Shard out;
  try {
    Input input = open_shard(folder, name, false);
    out.salvage = input.reader.salvage != nullptr ? input.reader.salvage(input.source, options)
                                                  : salvage(file_in_folder(folder, name), options);
    require(out.salvage->value.is_dict(), ErrorCode::kCorrupt, "index", "it holds a ",
            value_kind_name(out.salvage->value.kind()), ", expected a dict of tensors");
    for (const SalvagedTensor& tensor : out.salvage->recovered)
      out.recovered[tensor.name] = tensor.is_checked;
    for (const LostTensor& tensor : out.salvage->lost) out.lost[tensor.name] = tensor.reason;
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    out.salvage.reset();
    out.loss = cat("file '", escaped(name), "': ", error.text());
  }
  return out;
}

}  // namespace

Salvage salvage_index(const Source& source, const LoadOptions& options) {
  const Index index = read_index(source, options);
  const std::string folder = folder_of(source.path);
  std::vector<Shard> shards;
  Salvage out;
  out.format = Format::kSafetensorsIndex;
  out.file_size = source.bytes->size();
  out.value = Value::dict();
  for (const std::string& name : index.shards) {
    shards.push_back(read_shard(folder, name, options));
    const Shard& shard = shards.back();
    if (!shard.salvage) {
      out.notes.push_back(shard.loss);
      continue;
    }
    if (shard.salvage->format != Format::kSafetensors) out.format = Format::kTorchIndex;
    out.file_size += shard.salvage->file_size;
    for (const std::string& note : shard.salvage->notes) out.notes.push_back(cat(escaped(name), ": ", note));
  }
  for (const auto& [name, number] : index.tensors) {
    const Shard& shard = shards[number];
    const auto value = shard.salvage ? shard.salvage->value.find(Value(name)) : std::nullopt;
    if (value) {
      out.value.set_item(Value(name), *value);
      const auto found = shard.recovered.find(name);
      if (found != shard.recovered.end()) out.recovered.push_back({name, found->second});
      continue;
    }
    const auto found = shard.lost.find(name);
    out.lost.push_back({name, !shard.salvage ? shard.loss
                              : found != shard.lost.end()
                                  ? found->second
                                  : cat("it is not in the file '", escaped(index.shards[number]),
                                        "', where the index has it")});
  }
  return out;
}

bool can_salvage_index(const Source& source, const LoadOptions& options) {
  const Index index = read_index(source, options);
  const std::string folder = folder_of(source.path);
  return std::any_of(index.shards.begin(), index.shards.end(), [&](const std::string& name) {
    try {
      Input input = open_shard(folder, name, false);
      return input.reader.can_salvage != nullptr && input.reader.can_salvage(input.source, options);
    } catch (const Error&) {
      return false;
    }
  });
}

}  // namespace sconce::checkpoint
