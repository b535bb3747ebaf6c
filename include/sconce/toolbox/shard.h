// Between checkpoints in one file and checkpoints in several.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sconce/checkpoint/format.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

namespace sconce::toolbox {

struct ReshapeReport {
  checkpoint::Format input = checkpoint::Format::kTorchZip;
  checkpoint::Format output = checkpoint::Format::kTorchZip;
  std::size_t tensors = 0;         // in the output
  std::vector<std::string> notes;  // what is unusual about the input
  checkpoint::SaveReport saved;
};

// Reads a checkpoint of any form, whole pickled modules as their state_dicts, and writes it as one file. Of
// `load`, the limits hold.
// Errors: those of load() and save(); kUnsupported for formats that are not one file.
ReshapeReport merge(const std::string& input, const std::string& output,
                    const checkpoint::SaveOptions& options, const checkpoint::LoadOptions& load = {});

// Reads a checkpoint of any form, as merge() does, and writes it to a folder, which is made if it is not
// there, as files of at most options.shard_size bytes of tensors and an index. options.format is kSafetensors
// (the default) or kTorchZip.
ReshapeReport shard(const std::string& input, const std::string& folder, checkpoint::SaveOptions options,
                    const checkpoint::LoadOptions& load = {});

}  // namespace sconce::toolbox
