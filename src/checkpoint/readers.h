// The readers of the single formats, behind load() and describe().
#pragma once

#include "checkpoint/source.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"

namespace sconce::checkpoint {

Value load_torch_zip(const Source& source, const LoadOptions& options);
Listing list_torch_zip(const Source& source, const LoadOptions& options);

Value load_torch_legacy(const Source& source, const LoadOptions& options);
Listing list_torch_legacy(const Source& source, const LoadOptions& options);

Value load_torch_tar(const Source& source, const LoadOptions& options);
Listing list_torch_tar(const Source& source, const LoadOptions& options);

// A pickle without torch.save around it.
Value load_plain_pickle(const Source& source, const LoadOptions& options);
Listing list_plain_pickle(const Source& source, const LoadOptions& options);

Value load_safetensors(const Source& source, const LoadOptions& options);
Listing list_safetensors(const Source& source, const LoadOptions& options);

Value load_npy(const Source& source, const LoadOptions& options);
Listing list_npy(const Source& source, const LoadOptions& options);

Value load_npz(const Source& source, const LoadOptions& options);
Listing list_npz(const Source& source, const LoadOptions& options);

// `source` is the *.index.json, with its path.
Value load_index(const Source& source, const LoadOptions& options);
Listing list_index(const Source& source, const LoadOptions& options);

// `source` is a folder.
Value load_dcp(const Source& source, const LoadOptions& options);
Listing list_dcp(const Source& source, const LoadOptions& options);

// A folder of safetensors files that hold parts of tensors.
Value load_sharded_safetensors(const Source& source, const LoadOptions& options);
Listing list_sharded_safetensors(const Source& source, const LoadOptions& options);

}  // namespace sconce::checkpoint
