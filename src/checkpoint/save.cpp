#include "sconce/checkpoint/save.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <limits>
#include <string_view>

#include "checkpoint/counted_sink.h"
#include "checkpoint/index_file.h"
#include "checkpoint/writers.h"
#include "sconce/base/error.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/module_metadata.h"

namespace sconce::checkpoint {
namespace {

// How a format is written: as one file, as a set of files with an index, as a folder. A new one is a row.
struct FormatRow {
  Format format;
  std::string_view extension;  // a path that ends so gets the format when none is asked for
  std::unique_ptr<PlannedFile> (*plan)(const Value& value, const SaveOptions& options,
                                       const std::string& top_folder, SaveReport& report);
  ShardKind shards = {};  // without a plan: the format has no sets
  void (*save_folder)(const std::string& path, const Value& value, const SaveOptions& options,
                      SaveReport& report) = nullptr;
};

constexpr FormatRow kFormatRows[] = {
    {Format::kTorchZip, "", plan_torch_zip, {plan_torch_zip, "pytorch_model.bin", true}},
    {Format::kTorchLegacy, "", plan_torch_legacy},
    {Format::kSafetensors, ".safetensors", plan_safetensors, {plan_safetensors, "model.safetensors", false}},
    {Format::kNpz, ".npz", plan_npz},
    {Format::kNpz, ".npy", plan_npy},
    {Format::kDcp, "", nullptr, {}, save_dcp},
};

// The row of the format that is asked for or, without one, of the path's extension; where a format has two
// extensions, the path decides between them.
const FormatRow& row_for(const std::string& path, std::optional<Format> format) {
  const FormatRow* found = nullptr;
  for (const FormatRow& row : kFormatRows) {
    if (format && row.format != *format) continue;
    const bool has_extension = !row.extension.empty() && path.ends_with(row.extension);
    if (has_extension) return row;
    if (found == nullptr) found = &row;  // without a format the first row, torch-zip
  }
  require(found != nullptr, ErrorCode::kUnsupported, "save", "files of format ",
          format_name(format.value_or(Format::kTorchZip)), " are read, not written");
  return *found;
}

// As torch.save: the file's name without its last extension; names that are not plain ASCII give "archive".
std::string top_folder_for(const std::string& path) {
  const std::string stem = std::filesystem::path(path).stem().string();
  const bool is_plain = std::all_of(stem.begin(), stem.end(),
                                    [](char c) { return c >= ' ' && c <= '~' && c != '\\' && c != ':'; });
  return stem.empty() || stem == "." || stem == ".." || !is_plain ? "archive" : stem;
}

// A set is asked for by its size, by its format or by the name of its index.
bool wants_shards(const std::string& path, const SaveOptions& options) {
  return options.shard_size > 0 || options.format == Format::kSafetensorsIndex ||
         options.format == Format::kTorchIndex || path.ends_with(kIndexSuffix);
}

std::optional<Format> file_format(const SaveOptions& options) {
  if (options.format == Format::kSafetensorsIndex) return Format::kSafetensors;
  if (options.format == Format::kTorchIndex) return Format::kTorchZip;
  return options.format;
}

// What a safetensors file says about itself beyond "format" is lost in every other format.
void warn_of_metadata(Format format, const Value& value, SaveReport& report) {
  if (format == Format::kSafetensors || !value.is_dict()) return;
  const std::optional<Value> metadata = value.attribute("__metadata__");
  if (!metadata || !metadata->is_dict()) return;
  constexpr std::size_t kMost = 5;
  std::size_t count = 0;
  std::string names;
  for (const auto& [key, text] : metadata->items()) {
    if (!key.is_string() || key.as_string() == "format" || ++count > kMost) continue;
    names += cat(names.empty() ? "'" : ", '", escaped(key.as_string()), "'");
  }
  if (count == 0) return;
  if (count > kMost) names += cat(" and ", count - kMost, " more");
  report.warnings.push_back(
      cat("left out the file's metadata (", names, "): ", format_name(format), " has no place for it"));
}

// Formats of named tensors have no place for what PyTorch notes about modules. The files of a set of torch
// files are dicts, which have what stands at the top.
void warn_of_module_metadata(Format format, bool is_set, const Value& value, SaveReport& report) {
  const bool is_torch = format == Format::kTorchZip || format == Format::kTorchLegacy;
  if (is_torch && !is_set) return;
  const std::string_view holder = is_set ? "a sharded checkpoint" : format_name(format);
  if (auto warning = lost_metadata_warning(value, holder, is_torch))
    report.warnings.push_back(*std::move(warning));
}

// What the value says about itself that the format cannot.
void warn_of_losses(Format format, bool is_set, const Value& value, SaveReport& report) {
  warn_of_metadata(format, value, report);
  warn_of_module_metadata(format, is_set, value, report);
}

void save_set(const std::string& path, const Value& value, SaveOptions options, SaveReport& report) {
  const std::string name =
      path.ends_with(kIndexSuffix) ? path.substr(0, path.size() - kIndexSuffix.size()) : path;
  const FormatRow& row = row_for(name, file_format(options));
  require(row.shards.plan != nullptr, ErrorCode::kUnsupported, "save", "a checkpoint of format ",
          format_name(row.format), " cannot be split into several files");
  warn_of_losses(row.format, true, value, report);
  if (options.shard_size == 0) options.shard_size = std::numeric_limits<std::uint64_t>::max();
  save_shards(path, value, row.shards, options, report);
}

std::unique_ptr<PlannedFile> plan(const FormatRow& row, const Value& value, const SaveOptions& options,
                                  const std::string& top_folder, SaveReport& report) {
  require(row.plan != nullptr, ErrorCode::kUnsupported, "save", "a checkpoint of format ",
          format_name(row.format), " is a folder, not a file");
  auto planned = row.plan(value, options, top_folder, report);
  report.bytes = planned->size();
  return planned;
}

}  // namespace

SaveReport save(const std::string& path, const Value& value, const SaveOptions& options) {
  try {
    SaveReport report;
    if (wants_shards(path, options)) {
      save_set(path, value, options, report);
      return report;
    }
    const FormatRow& row = row_for(path, options.format);
    warn_of_losses(row.format, false, value, report);
    if (row.save_folder != nullptr) {
      row.save_folder(path, value, options, report);
      return report;
    }
    const auto planned = plan(row, value, options, top_folder_for(path), report);
    AtomicFile file(path, {.replace = options.replace, .durable = options.durable});
    file.reserve(report.bytes);
    std::uint64_t done = 0;
    CountedSink counted(file, done, report.bytes, options);
    planned->write(counted);
    file.commit();
    return report;
  } catch (const Error& error) {
    // A damaged value and one that is too much are no fault of the file that was to hold it: whoever read it
    // knows from where.
    if (error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kLimit) throw;
    throw error.in_file(path);
  }
}

SaveReport save(ByteSink& sink, const Value& value, const SaveOptions& options,
                const std::string& archive_name) {
  SaveReport report;
  const FormatRow& row = row_for("", options.format);
  warn_of_losses(row.format, false, value, report);
  plan(row, value, options, archive_name, report)->write(sink);
  return report;
}

}  // namespace sconce::checkpoint
