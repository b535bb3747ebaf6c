// The writers of the single formats, behind save().
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sconce/base/byte_source.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {

// What a format has decided before it writes its first byte.
class PlannedFile {
 public:
  virtual ~PlannedFile() = default;
  virtual std::uint64_t size() const = 0;
  virtual void write(ByteSink& sink) const = 0;
};

// One signature for all, so that save.cpp can have a table of them; `top_folder` is for zip archives.
std::unique_ptr<PlannedFile> plan_torch_zip(const Value& value, const SaveOptions& options,
                                            const std::string& top_folder, SaveReport& report);
std::unique_ptr<PlannedFile> plan_torch_legacy(const Value& value, const SaveOptions& options,
                                               const std::string& top_folder, SaveReport& report);
std::unique_ptr<PlannedFile> plan_safetensors(const Value& value, const SaveOptions& options,
                                              const std::string& top_folder, SaveReport& report);
std::unique_ptr<PlannedFile> plan_npz(const Value& value, const SaveOptions& options,
                                      const std::string& top_folder, SaveReport& report);
std::unique_ptr<PlannedFile> plan_npy(const Value& value, const SaveOptions& options,
                                      const std::string& top_folder, SaveReport& report);

// Writes a folder.
void save_dcp(const std::string& path, const Value& value, const SaveOptions& options, SaveReport& report);

// How one file of a set is written.
struct ShardKind {
  std::unique_ptr<PlannedFile> (*plan)(const Value& value, const SaveOptions& options,
                                       const std::string& top_folder, SaveReport& report);
  std::string_view folder_name;  // of the checkpoint in a folder: "model.safetensors"
  bool keeps_aliases = false;    // a tensor of two names is found under both
};

// Writes a set of files and its index.
void save_shards(const std::string& path, const Value& value, const ShardKind& kind,
                 const SaveOptions& options, SaveReport& report);

}  // namespace sconce::checkpoint
