// The salvage of the single formats, behind salvage().
#pragma once

#include "checkpoint/source.h"
#include "sconce/checkpoint/salvage.h"

namespace sconce::checkpoint {

Salvage salvage_torch_zip(Source source, const LoadOptions& options);
bool can_salvage_torch_zip(Source source, const LoadOptions& options);

Salvage salvage_safetensors(Source source, const LoadOptions& options);
bool can_salvage_safetensors(Source source, const LoadOptions& options);

// These formats have no checksum, or their description has none: what is there is unchecked.
Salvage salvage_torch_legacy(Source source, const LoadOptions& options);
bool can_salvage_torch_legacy(Source source, const LoadOptions& options);

Salvage salvage_dcp(Source source, const LoadOptions& options);
bool can_salvage_dcp(Source source, const LoadOptions& options);

Salvage salvage_index(Source source, const LoadOptions& options);
bool can_salvage_index(Source source, const LoadOptions& options);

}  // namespace sconce::checkpoint
