// Reading the archives of torch.jit.save.
#pragma once

#include <memory>

#include "checkpoint/torch_archive.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/recover.h"

namespace sconce::checkpoint {

// The state_dict of the module: an OrderedDict with `_metadata`, as PyTorch gives it for the loaded module.
// The constants of the code, which have no names (torch.jit.freeze makes all weights such), are its attribute
// `constants`, a tuple, where there are any.
Value load_torchscript(const std::shared_ptr<const TorchArchive>& archive, const LoadOptions& options);

// The same listed; the constants are called constants.0, constants.1, ... The size of the file is the
// caller's to add.
Listing list_torchscript(const std::shared_ptr<const TorchArchive>& archive, const LoadOptions& options);

// The OrderedDict of a script module's state. Detached tensors are new values.
Value script_state_dict(const ModuleState& state, bool is_detached);

}  // namespace sconce::checkpoint
