#include "sconce/toolbox/shard.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "sconce/base/error.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/toolbox/code_warnings.h"
#include "sconce/toolbox/save_of.h"

namespace sconce::toolbox {

using checkpoint::Format;

namespace {

struct Source {
  Value value;
  ReshapeReport report;
};

// What merge and shard read: whole pickled modules become the state_dicts they would give.
Source read_source(const std::string& input, checkpoint::LoadOptions load) {
  Source out;
  {
    // Gone before the tree is read again: of a hostile file each takes much memory.
    const checkpoint::Listing listing = checkpoint::describe(input, load);
    out.report.input = listing.format;
    out.report.notes = listing.notes;
    for (std::string& line : code_warnings(listing.pickles)) out.report.notes.push_back(std::move(line));
  }
  load.defer = true;
  checkpoint::Recovery recovery = checkpoint::recover_modules(checkpoint::load(input, load), load.walk);
  out.value = std::move(recovery.value);
  const std::size_t listed = out.report.notes.size();
  for (std::string& note : recovery.notes) {
    const auto end = out.report.notes.begin() + static_cast<std::ptrdiff_t>(listed);
    if (std::find(out.report.notes.begin(), end, note) == end) out.report.notes.push_back(std::move(note));
  }
  return out;
}

// What was written, as a reader finds it.
ReshapeReport finished(ReshapeReport report, const std::string& output, checkpoint::SaveReport saved,
                       const checkpoint::LoadOptions& load) {
  const checkpoint::Listing written = checkpoint::describe(output, load);
  report.output = written.format;
  report.tensors = written.tensors.size();
  report.saved = std::move(saved);
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
                    const checkpoint::SaveOptions& options, const checkpoint::LoadOptions& load) {
  const bool is_one_file = options.shard_size == 0 && options.format != Format::kDcp &&
                           options.format != Format::kSafetensorsIndex &&
                           options.format != Format::kTorchIndex && !output.ends_with(".index.json");
  require(is_one_file, ErrorCode::kUnsupported, "merge", "the output must be one file");
  Source source = read_source(input, load);
  checkpoint::SaveReport saved = save_of(input, output, source.value, options);
  return finished(std::move(source.report), output, std::move(saved), load);
}

ReshapeReport shard(const std::string& input, const std::string& folder, checkpoint::SaveOptions options,
                    const checkpoint::LoadOptions& load) {
  require(options.shard_size > 0, ErrorCode::kInvalidArgument, "shard", "expected the size of a shard");
  if (!options.format) options.format = Format::kSafetensors;
  Source source = read_source(input, load);
  const NewFolder made(folder);
  checkpoint::SaveReport saved = save_of(input, folder + "/", source.value, options);
  return finished(std::move(source.report), folder, std::move(saved), load);
}

}  // namespace sconce::toolbox
