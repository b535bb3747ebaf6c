#include "common/output_path.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>

#include "sconce/base/error.h"

namespace sconce::cli {
namespace {

using checkpoint::Format;

struct Row {
  const char* word;
  Format format;
};
constexpr Row kWords[] = {{"torch", Format::kTorchZip},
                          {"torch-legacy", Format::kTorchLegacy},
                          {"safetensors", Format::kSafetensors},
                          {"dcp", Format::kDcp},
                          {"npz", Format::kNpz}};

constexpr std::string_view kIndexSuffix = ".index.json";

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return path.ends_with('/') || std::filesystem::is_directory(path, ignored);
}

}  // namespace

bool is_index(const std::string& path) { return path.ends_with(kIndexSuffix); }

Format format_of_output(const std::string& path) {
  if (is_index(path)) return format_of_output(path.substr(0, path.size() - kIndexSuffix.size()));
  if (is_folder(path)) return Format::kDcp;
  if (path.ends_with(".safetensors")) return Format::kSafetensors;
  if (path.ends_with(".npz") || path.ends_with(".npy")) return Format::kNpz;
  return Format::kTorchZip;
}

CLI::Option* add_format_option(CLI::App& app, std::optional<Format>& format) {
  std::vector<std::string> words;
  for (const Row& row : kWords) words.emplace_back(row.word);
  return app
      .add_option_function<std::string>(
          "--to",
          [&format](const std::string& word) {
            const auto* row = std::find_if(std::begin(kWords), std::end(kWords),
                                           [&word](const Row& each) { return each.word == word; });
            format = row->format;  // IsMember has seen to it that there is one
          },
          "The output's format; found from its name unless given")
      ->check(CLI::IsMember(words))
      ->type_name("FORMAT");
}

void refuse_existing(const std::string& path, bool force) {
  std::error_code ignored;
  const auto status = std::filesystem::symlink_status(path, ignored);
  // A folder may be empty, or hold nothing that is in the way: whoever writes into it looks.
  if (force || !std::filesystem::exists(status) || is_folder(path)) return;
  throw Error(ErrorCode::kExists, "", "the output exists; --force replaces it").in_file(path);
}

}  // namespace sconce::cli
