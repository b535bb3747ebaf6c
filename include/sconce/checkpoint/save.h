// Writing checkpoints.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sconce/base/byte_source.h"
#include "sconce/checkpoint/format.h"
#include "sconce/checkpoint/named.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

struct SaveOptions {
  std::optional<Format> format =
      {};  // nullopt: what the path ends in (.safetensors, .npz, .npy), torch-zip for every other
  bool replace = true;  // false: Error kExists when the output is there
  bool durable = true;  // the bytes are on disk when save() returns
  // Write unknown Python objects back as they were, where making them again calls only functions on a fixed
  // list. Without it they are left out, each with a warning. torch.Size, torch.device, dtypes and whatever
  // else torch.load(weights_only=True) takes are always written.
  bool keep_objects = false;
  bool keep_device = false;  // write each tensor's device tag instead of "cpu"
  // safetensors: tensors that are exactly the same memory are written once, and the other names noted in
  // `__metadata__`, from where load() restores them; views that overlap otherwise become copies with a
  // warning. false: Error kUnsupported for both.
  bool merge_aliases = true;
  // safetensors and torch-zip: several files of at most so many bytes of tensors each, and an index beside
  // them: `model-00001-of-00003.safetensors` .. and `model.safetensors.index.json` for the path
  // `model.safetensors`. A path that is a folder gets the names that Hugging Face's libraries use. Tensors
  // that share memory stay in one file; a larger one gets a file of its own. 0: one file.
  std::uint64_t shard_size = 0;
  NamedLimits walk = {};  // of every walk over the value
  // Told between pieces how many bytes are written, of how many.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

struct SavedFile {
  std::string name;
  std::uint64_t bytes = 0;
};

struct SaveReport {
  std::vector<std::string> warnings;  // one line for each thing that was left out
  std::uint64_t bytes = 0;            // size of the file, or of all together
  std::vector<SavedFile> files;       // of an output in several files
};

// Writes `value` whole or not at all: a file, set of files or folder that was there stays until the new one
// is complete. The same value gives the same bytes. A storage that several tensors share is written once,
// whole, with each tensor's strides. dcp is a folder; one that is there is replaced only when it holds
// nothing but a checkpoint. torch-legacy holds the dtypes that have a storage class. Errors: kUnsupported
// (the format cannot hold it), kNoSpace, kPermission, kExists, kNotFound (no such folder), kIo, each with
// `path`; kCorrupt (a sparse tensor that points outside itself) and kLimit, without.
SaveReport save(const std::string& path, const Value& value, const SaveOptions& options = {});

// The same into `sink`, as a torch-zip unless a format is given; `archive_name` names its top folder.
SaveReport save(ByteSink& sink, const Value& value, const SaveOptions& options = {},
                const std::string& archive_name = "archive");

}  // namespace sconce::checkpoint
