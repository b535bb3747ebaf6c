// Writing checkpoints.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sconce/base/byte_source.h"
#include "sconce/checkpoint/format.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

struct SaveOptions {
  std::optional<Format> format =
      {};               // nullopt: safetensors for a path that ends so, torch-zip for every other
  bool replace = true;  // false: Error kExists when the output is there
  bool durable = true;  // the bytes are on disk when save() returns
  // Write unknown Python objects back as they were, where making them again calls only functions on a fixed
  // list. Without it they are left out, each with a warning. torch.Size, torch.device, dtypes and whatever
  // else torch.load(weights_only=True) takes are always written.
  bool keep_objects = false;
  bool keep_device = false;  // write each tensor's device tag instead of "cpu"
  // safetensors: of tensors that share memory exactly, write one and note the others as
  // `__metadata__[name] = kept name`, as safetensors.torch.save_model does. Without it: Error kUnsupported.
  bool merge_aliases = false;
  // Told between pieces how many bytes are written, of how many.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

struct SaveReport {
  std::vector<std::string> warnings;  // one line for each thing that was left out
  std::uint64_t bytes = 0;            // size of the file
};

// Writes `value` whole or not at all: a file that was there stays until the new one is complete. The same
// value gives the same bytes. A storage that several tensors share is written once, whole, with each tensor's
// strides. Errors: kUnsupported (the format cannot hold it), kNoSpace, kPermission, kExists, kNotFound (no
// such folder), kIo.
SaveReport save(const std::string& path, const Value& value, const SaveOptions& options = {});

// The same into `sink`, as a torch-zip unless a format is given; `archive_name` names its top folder.
SaveReport save(ByteSink& sink, const Value& value, const SaveOptions& options = {},
                const std::string& archive_name = "archive");

}  // namespace sconce::checkpoint
