#include "sconce/checkpoint/save.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>

#include "checkpoint/writers.h"
#include "sconce/base/error.h"
#include "sconce/base/file.h"

namespace sconce::checkpoint {
namespace {

// How a format of one file is written. A new one is a row.
struct Row {
  Format format;
  std::string_view extension;  // a path that ends so gets the format when none is asked for
  std::unique_ptr<PlannedFile> (*plan)(const Value& value, const SaveOptions& options,
                                       const std::string& top_folder, SaveReport& report);
};

constexpr Row kRows[] = {
    {Format::kTorchZip, "", plan_torch_zip},
    {Format::kSafetensors, ".safetensors", plan_safetensors},
};

Format format_for(const std::string& path, const SaveOptions& options) {
  if (options.format) return *options.format;
  for (const Row& row : kRows) {
    if (!row.extension.empty() && path.ends_with(row.extension)) return row.format;
  }
  return Format::kTorchZip;
}

const Row& row_of(Format format) {
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& each) { return each.format == format; });
  require(row != std::end(kRows), ErrorCode::kUnsupported, "save", "files of format ", format_name(format),
          " are read, not written");
  return *row;
}

// As torch.save: the file's name without its last extension; names that are not plain ASCII give "archive".
std::string top_folder_for(const std::string& path) {
  const std::string stem = std::filesystem::path(path).stem().string();
  const bool is_plain = std::all_of(stem.begin(), stem.end(),
                                    [](char c) { return c >= ' ' && c <= '~' && c != '\\' && c != ':'; });
  return stem.empty() || stem == "." || stem == ".." || !is_plain ? "archive" : stem;
}

std::unique_ptr<PlannedFile> plan(const Value& value, Format format, const SaveOptions& options,
                                  const std::string& top_folder, SaveReport& report) {
  auto planned = row_of(format).plan(value, options, top_folder, report);
  report.bytes = planned->size();
  return planned;
}

}  // namespace

SaveReport save(const std::string& path, const Value& value, const SaveOptions& options) {
  try {
    SaveReport report;
    const auto planned = plan(value, format_for(path, options), options, top_folder_for(path), report);
    AtomicFile file(path, {.replace = options.replace, .durable = options.durable});
    file.reserve(report.bytes);
    planned->write(file);
    file.commit();
    return report;
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

SaveReport save(ByteSink& sink, const Value& value, const SaveOptions& options,
                const std::string& archive_name) {
  SaveReport report;
  plan(value, options.format.value_or(Format::kTorchZip), options, archive_name, report)->write(sink);
  return report;
}

}  // namespace sconce::checkpoint
