// Saving what is whole of a damaged checkpoint into a new one.
#pragma once

#include <string>
#include <vector>

#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/salvage.h"
#include "sconce/checkpoint/save.h"

namespace sconce::toolbox {

struct SalvageReport {
  checkpoint::Salvage salvage;        // its value has been written, when anything was
  bool is_written = false;            // false when there was nothing to write
  std::vector<std::string> warnings;  // what the output's format could not take

  // Names of recovered tensors that no checksum confirms.
  std::vector<std::string> unchecked() const;
};

// Salvages `input` and writes what is whole to `output`, which may be the same path. Nothing is written when
// the file describes tensors and none of them can be recovered. Errors: those of checkpoint::salvage() and
// save().
SalvageReport salvage(const std::string& input, const std::string& output,
                      const checkpoint::SaveOptions& options = {}, const checkpoint::LoadOptions& load = {});

}  // namespace sconce::toolbox
