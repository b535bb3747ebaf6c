#include "sconce/toolbox/shard.h"

#include <filesystem>
#include <utility>

#include "sconce/base/error.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"

namespace sconce::toolbox {

using checkpoint::Format;

namespace {

ReshapeReport look_at(const std::string& input) {
  const checkpoint::Listing listing = checkpoint::describe(input);
  ReshapeReport report;
  report.input = listing.format;
  report.tensors = listing.tensors.size();
  report.notes = listing.notes;
  return report;
}

// Makes a folder, and removes it again unless it is told to keep it or something came to lie in it.
class NewFolder {
 public:
  explicit NewFolder(const std::string& path) : path_(path) {
    std::error_code error;
    is_new_ = std::filesystem::create_directory(path_, error);
    if (!error) return;
    const ErrorCode code = error == std::errc::permission_denied           ? ErrorCode::kPermission
                           : error == std::errc::no_such_file_or_directory ? ErrorCode::kNotFound
                                                                           : ErrorCode::kIo;
    throw Error(code, "file", cat("cannot make the folder: ", error.message())).in_file(path);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  ~NewFolder() {
    std::error_code ignored;
    if (is_new_) std::filesystem::remove(path_, ignored);  // fails where there are files
  }

 private:
  std::string path_;
  bool is_new_ = false;
};

}  // namespace

ReshapeReport merge(const std::string& input, const std::string& output,
                    const checkpoint::SaveOptions& options) {
  const bool is_one_file = options.shard_size == 0 && options.format != Format::kDcp &&
                           options.format != Format::kSafetensorsIndex &&
                           options.format != Format::kTorchIndex && !output.ends_with(".index.json");
  require(is_one_file, ErrorCode::kUnsupported, "merge", "the output must be one file");
  ReshapeReport report = look_at(input);
  report.saved = checkpoint::save(output, checkpoint::load(input, {.defer = true}), options);
  report.output = checkpoint::describe(output).format;
  return report;
}

ReshapeReport shard(const std::string& input, const std::string& folder, checkpoint::SaveOptions options) {
  require(options.shard_size > 0, ErrorCode::kInvalidArgument, "shard", "expected the size of a shard");
  if (!options.format) options.format = Format::kSafetensors;
  ReshapeReport report = look_at(input);
  const Value value = checkpoint::load(input, {.defer = true});
  const NewFolder made(folder);
  report.saved = checkpoint::save(folder + "/", value, options);
  report.output = options.format == Format::kSafetensors ? Format::kSafetensorsIndex : Format::kTorchIndex;
  return report;
}

}  // namespace sconce::toolbox
