// The salvage of the single formats, behind salvage().
#pragma once

#include "checkpoint/source.h"
#include "sconce/checkpoint/salvage.h"

namespace sconce::checkpoint {

Salvage salvage_torch_zip(const Source& source, const LoadOptions& options);
bool can_salvage_torch_zip(const Source& source, const LoadOptions& options);

Salvage salvage_safetensors(const Source& source, const LoadOptions& options);
bool can_salvage_safetensors(const Source& source, const LoadOptions& options);

Salvage salvage_npz(const Source& source, const LoadOptions& options);
bool can_salvage_npz(const Source& source, const LoadOptions& options);

// These formats have no checksum, or their description has none: what is there is unchecked.
Salvage salvage_torch_legacy(const Source& source, const LoadOptions& options);
bool can_salvage_torch_legacy(const Source& source, const LoadOptions& options);

Salvage salvage_dcp(const Source& source, const LoadOptions& options);
bool can_salvage_dcp(const Source& source, const LoadOptions& options);

Salvage salvage_index(const Source& source, const LoadOptions& options);
bool can_salvage_index(const Source& source, const LoadOptions& options);

}  // namespace sconce::checkpoint
