// Looking into a checkpoint without reading its tensors: time and memory depend on the number of tensors, not
// on their size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sconce/checkpoint/format.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/pickle_facts.h"
#include "sconce/core/array.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

// One tensor of a file, or one part of a sparse or quantized one.
struct TensorInfo {
  std::string name;         // dotted: model.conv1.weight, optimizer.state.0.momentum_buffer
  std::vector<Value> path;  // the keys and indices that lead to it, exactly
  std::string role;         // "" for a tensor; of a part: "indices", "values", "scales", ...
  DType dtype = kFloat32;
  Geometry geometry;  // in elements of dtype, within the storage
  bool requires_grad = false;
  bool is_parameter = false;
  bool is_conj = false;  // the stored elements are still to be conjugated (read() does)
  bool is_neg = false;   // ... negated
  std::string device;    // as written
  // Null for what is not quantized; without the arrays of per-channel parameters.
  std::shared_ptr<const Quantization> quantization;
  // Of a part of a sparse tensor what it is a part of, without the arrays; one for all its parts.
  std::shared_ptr<const SparseLeaf> sparse;
  std::shared_ptr<const ShardOf> shard_of;      // null for what is no part of a DTensor
  BareStorage bare_storage = BareStorage::kNo;  // a storage saved by itself
  std::size_t storage = 0;                      // tensors with equal numbers share memory
  std::optional<std::size_t> alias_of;  // the first tensor of the listing in the same storage, if another
  std::string file;                     // its name, of a checkpoint in several files; else empty
  std::string record;                   // where the storage lies: the zip record; empty for safetensors
  std::uint64_t file_offset = 0;        // of the storage's bytes
  std::uint64_t storage_bytes = 0;      // of the whole storage
  bool has_checksum = false;            // the file records one for the storage, which read() compares
  // As PyTorch sees the tensor; another one than `geometry` where several values share a byte.
  const Geometry& value_geometry() const {
    return quantization && quantization->packed ? *quantization->packed : geometry;
  }
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(geometry.numel()) * itemsize(dtype); }
};

// A global that a pickle names.
struct GlobalInfo {
  std::string module;
  std::string name;
};

namespace detail {
class TensorStore;
}

struct Listing {
  Format format = Format::kTorchZip;
  std::string path;  // what was listed; empty for bytes in memory
  std::uint64_t file_size = 0;
  std::vector<TensorInfo> tensors;   // in the order of the file's tree; a tied tensor under each of its names
  Value tree;                        // everything else in its place; arrays are undefined
  std::vector<GlobalInfo> globals;   // what the pickle names, in order of first use
  std::vector<PickleFacts> pickles;  // every pickle of the file, in order; none in safetensors
  std::vector<std::pair<std::string, std::string>> objects;  // dotted name -> class, of values kept inert
                                                             // that save() leaves out unless told otherwise
  std::vector<std::string> notes;  // what is unusual: records without a checksum, duplicate keys
  NamedLimits walk;                // those of the LoadOptions, which hold for every walk over `tree`

  // tensors[index] over the whole of its storage, conjugated or negated as the file asks. The storage is read
  // anew, with ordinary reads, unless the call before asked for the same one; its CRC is checked. Not for
  // several threads at once. Errors: kChecksum, kTruncated, kIo, kLimit.
  Array read(std::size_t index) const;
  // Gives back the memory that is kept for the next read of the same storage.
  void release() const;

  std::shared_ptr<const detail::TensorStore> store;
};

// Lists a checkpoint. Errors as load().
Listing describe(const std::string& path, const LoadOptions& options = {});
// The same from memory, which Listing::read() reads again: `bytes` must live until then.
Listing describe(std::span<const std::byte> bytes, const LoadOptions& options = {});

}  // namespace sconce::checkpoint
