// Reading checkpoints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sconce/checkpoint/named.h"
#include "sconce/codec/pickle.h"
#include "sconce/state/state_dict.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

struct LoadOptions {
  // Compare each record's CRC-32 with its bytes as they are read.
  bool check_crc = true;
  // Map the file instead of reading it: tensors refer to the file, pages are read when they are first
  // touched, nothing is checked, and loading takes no time. A file that another program truncates while it is
  // mapped kills the process (SIGBUS): map only what nobody else writes. Changing a mapped tensor changes
  // memory only. Records that cannot be mapped (deflated, unaligned, byte-swapped) are read.
  bool map = false;

  // torch-legacy and torch-tar: bytes behind the last storage or pickle are an error, not just noted.
  bool refuse_trailing = false;

  // Keep the file open and read a storage, and compare its CRC, when someone first looks at it. What load()
  // found whole can then still fail: kChecksum, kTruncated, kIo come from there. Saving passes storages that
  // nobody has looked at through without keeping them in memory.
  bool defer = false;

  pickle::Limits pickle = {};
  std::uint64_t pickle_bytes = std::uint64_t{1} << 30;  // of data.pkl, or of one pickle of a stream
  // A pickle deflates to a tenth or so, and its nodes take some five times its bytes: what is far beyond that
  // is made to fill memory. A deflated pickle inflates to, and its nodes take, at most so many times its
  // bytes in the file, and the nodes of any pickle a quarter so many times its own; 32 MiB, and 96 MiB of
  // nodes besides, are always read.
  std::uint64_t pickle_ratio = 64;
  std::uint64_t zip_entries = 1'000'000;                  // records of one archive, tensors of a *.index.json
  std::uint64_t inflated_bytes = std::uint64_t{4} << 30;  // of all deflated records together
  std::uint64_t resolved_bytes = std::uint64_t{16} << 30;  // of one lazily conjugated or negated tensor
  // Of every walk over the tree that is read; the names of an archive's records keep to `name_bytes`, too.
  NamedLimits walk = {};
  std::uint64_t safetensors_header = 100'000'000;  // bytes, as the reference implementation
  std::uint64_t index_bytes = 100'000'000;         // of a *.index.json
};

// Reads a checkpoint whose format is found from its content. Files of torch.save give what torch.load would;
// tensors that shared a storage still do. safetensors gives a dict of tensors with the attribute
// `__metadata__`. Python objects that sconce does not know stay inert Objects; nothing in a file is ever run.
// Errors: kNotFound, kPermission, kIo; kUnsupported names what the file is instead; kTruncated, kCorrupt,
// kChecksum, kLimit, kUnsafe for damaged or lying files, each with path and place.
Value load(const std::string& path, const LoadOptions& options = {});

// The same from memory, which is copied from; `map` and `defer` do not apply.
Value load(std::span<const std::byte> bytes, const LoadOptions& options = {});

}  // namespace sconce::checkpoint
