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
std::unique_ptr<PlannedFile> plan_safetensors(const Value& value, const SaveOptions& options,
                                              const std::string& top_folder, SaveReport& report);

}  // namespace sconce::checkpoint
