// What PyTorch notes about the modules of a state_dict: its attribute `_metadata`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sconce/state/value.h"

namespace sconce::checkpoint {

// The warning that the `_metadata` of dicts in `root` is left out, as `holder` has no place for it; with
// `keeps_root` that of `root` itself is kept. nullopt when nothing is lost but the version of each module:
// every state_dict has those, and PyTorch loads without them whatever was written since version 1 of its
// modules.
std::optional<std::string> lost_metadata_warning(const Value& root, std::string_view holder,
                                                 bool keeps_root = false);

}  // namespace sconce::checkpoint
