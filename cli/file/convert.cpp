#include "file/convert.h"

#include <algorithm>
#include <map>
#include <memory>

#include "common/limit_option.h"
#include "common/output.h"
#include "common/output_path.h"
#include "common/size_option.h"
#include "common/status_line.h"
#include "common/text_format.h"
#include "sconce/base/error.h"
#include "sconce/base/text.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/checkpoint/save.h"
#include "sconce/toolbox/code_warnings.h"
#include "sconce/toolbox/convert.h"
#include "sconce/toolbox/save_of.h"

namespace sconce::cli {
namespace {

constexpr std::size_t kMostLines = 10;  // of one kind on a person's screen; --json has all

struct ConvertArguments {
  std::string input;
  std::string output;
  std::optional<checkpoint::Format> format;
  std::string dtype;
  std::vector<std::string> renames;
  toolbox::ConvertOptions convert;
  checkpoint::LoadOptions load = {.defer = true};
  std::uint64_t shard_size = 0;
  bool keep_objects = false;
  bool keep_device = false;
  bool force = false;
  bool json = false;
};

struct Result {
  checkpoint::Format format = checkpoint::Format::kTorchZip;
  toolbox::ConvertReport converted;
  checkpoint::SaveReport saved;
  std::vector<std::string> code_warnings;  // few, whatever the file holds
  std::vector<std::string> warnings;       // all others
  bool is_flat = false;
};

// Sets of files hold named tensors only, whatever their format.
bool is_flat(checkpoint::Format format, const ConvertArguments& options) {
  return format == checkpoint::Format::kSafetensors || format == checkpoint::Format::kNpz ||
         options.shard_size > 0 || is_index(options.output);
}

std::uint64_t overflowed(const toolbox::ConvertReport& report) {
  std::uint64_t sum = 0;
  for (const toolbox::CastInfo& cast : report.casts) sum += *cast.overflowed;
  return sum;
}

// After saving: only then every element was seen.
void warn_of_overflow(Result& result, DType dtype) {
  for (const toolbox::CastInfo& cast : result.converted.casts) {
    const std::uint64_t count = *cast.overflowed;
    if (count == 0) continue;
    result.warnings.push_back(cat("'", escaped(cast.name), "': ", with_commas(count), " value",
                                  count == 1 ? " is" : "s are", " too large for ", dtype_name(dtype)));
  }
}

// Tensors within objects that saving left out are not in the output, though the conversion counted them.
void note_lost_tensors(const ConvertArguments& options, const Value& value, toolbox::ConvertReport& report) {
  const checkpoint::Listing written = checkpoint::describe(options.output, options.load);
  // How often each name is there. A sparse tensor is listed as its parts: one of them is counted.
  std::map<std::string, std::pair<std::string, std::size_t>> found;
  for (const checkpoint::TensorInfo& info : written.tensors) {
    auto& [role, count] = found.try_emplace(info.name, info.role, 0).first->second;
    if (role == info.role) ++count;
  }
  report.tensors = 0;
  for (const checkpoint::NamedLeaf& leaf : checkpoint::named_arrays(value, options.load.walk)) {
    const auto place = found.find(leaf.name);
    if (place != found.end() && place->second.second > 0) {
      --place->second.second;
      ++report.tensors;
    } else {
      report.left_out.push_back({leaf.name, "tensor within an object that is left out"});
    }
  }
}

struct Converted {
  std::vector<std::string> notes;  // about pickled modules
  toolbox::Conversion conversion;
};

Converted converted_input(const ConvertArguments& options) {
  try {
    checkpoint::Recovery recovery =
        checkpoint::recover_modules(checkpoint::load(options.input, options.load), options.load.walk);
    return {std::move(recovery.notes), toolbox::convert(recovery.value, options.convert)};
  } catch (const Error& error) {
    throw error.in_file(options.input);
  }
}

Result convert(ConvertArguments options) {
  Result result;
  result.format = options.format.value_or(format_of_output(options.output));
  refuse_existing(options.output, options.force);
  for (const std::string& rename : options.renames) {
    options.convert.rename.push_back(toolbox::Rename::parse(rename));
  }
  if (!options.dtype.empty()) options.convert.dtype = toolbox::floating_dtype_from(options.dtype);
  result.is_flat = is_flat(result.format, options);
  options.convert.flatten = result.is_flat;
  options.convert.walk = options.load.walk;

  // Described first and forgotten: of a hostile file each tree takes much memory.
  result.code_warnings = toolbox::code_warnings(checkpoint::describe(options.input, options.load).pickles);
  auto [notes, converted] = converted_input(options);
  result.converted = std::move(converted.report);
  FileProgress progress("writing");
  result.saved = toolbox::save_of(
      options.input, options.output, converted.value,
      {.format = result.format,
       .replace = options.force,
       .keep_objects = options.keep_objects,
       .keep_device = options.keep_device,
       .merge_aliases = true,
       .shard_size = options.shard_size,
       .walk = options.load.walk,
       .progress = [&progress](std::uint64_t done, std::uint64_t total) { progress.update(done, total); }});
  if (!result.saved.files.empty() && result.format == checkpoint::Format::kSafetensors) {
    result.format = checkpoint::Format::kSafetensorsIndex;
  } else if (!result.saved.files.empty() && result.format == checkpoint::Format::kTorchZip) {
    result.format = checkpoint::Format::kTorchIndex;
  }
  // A flattened value has no objects any more.
  if (!result.is_flat && !result.saved.warnings.empty())
    note_lost_tensors(options, converted.value, result.converted);
  result.warnings = std::move(notes);
  result.warnings.insert(result.warnings.end(), result.converted.warnings.begin(),
                         result.converted.warnings.end());
  result.warnings.insert(result.warnings.end(), result.saved.warnings.begin(), result.saved.warnings.end());
  if (options.convert.dtype) warn_of_overflow(result, *options.convert.dtype);
  return result;
}

Json report_json(const ConvertArguments& options, const Result& result) {
  Json out;
  out["input"] = options.input;
  out["output"] = options.output;
  out["format"] = checkpoint::format_name(result.format);
  out["tensors"] = result.converted.tensors;
  out["bytes"] = result.saved.bytes;
  out["files"] = Json::array();
  for (const checkpoint::SavedFile& file : result.saved.files) {
    out["files"].push_back({{"name", file.name}, {"bytes", file.bytes}});
  }
  out["renamed"] = result.converted.renamed;
  out["cast"] = result.converted.cast;
  out["overflowed"] = overflowed(result.converted);
  out["deselected"] = result.converted.deselected;
  out["left_out"] = Json::array();
  for (const toolbox::LeftOutValue& value : result.converted.left_out) {
    out["left_out"].push_back({{"name", value.name}, {"type", value.what}});
  }
  out["warnings"] = result.code_warnings;
  for (const std::string& warning : result.warnings) out["warnings"].push_back(warning);
  return out;
}

void warn_some(const std::vector<std::string>& lines, const ConvertArguments& options) {
  for (std::size_t i = 0; i < std::min(lines.size(), kMostLines); ++i) {
    warn(cat(escaped(options.input), ": ", lines[i]));
  }
  if (lines.size() > kMostLines) {
    warn(cat(escaped(options.input), ": ... and ", lines.size() - kMostLines,
             " more of the kind (--json has all)"));
  }
}

std::string plural(std::uint64_t count, const char* word) {
  return cat(with_commas(count), " ", word, count == 1 ? "" : "s");
}

int run_convert(const ConvertArguments& options) {
  const Result result = convert(options);
  std::vector<std::string> left_out;
  for (const toolbox::LeftOutValue& value : result.converted.left_out) {
    left_out.push_back(cat("left out ", value.name.empty() ? "the value" : cat("'", escaped(value.name), "'"),
                           " (", escaped(value.what), ")",
                           result.is_flat
                               ? cat(": ", checkpoint::format_name(result.format), " holds tensors only")
                               : std::string()));
  }
  warn_some(left_out, options);
  for (const std::string& line : result.code_warnings) warn(cat(escaped(options.input), ": ", line));
  warn_some(result.warnings, options);
  if (options.json) {
    out().print_json(report_json(options, result));
    return kFine;
  }
  const toolbox::ConvertReport& report = result.converted;
  std::string line = cat(escaped(options.output), ": ", checkpoint::format_name(result.format), ", ",
                         plural(report.tensors, "tensor"), ", ", human_bytes(result.saved.bytes));
  if (!result.saved.files.empty()) line += cat(" in ", plural(result.saved.files.size(), "file"));
  if (report.renamed > 0) line += cat("; ", with_commas(report.renamed), " renamed");
  if (report.cast > 0) line += cat("; ", with_commas(report.cast), " now ", options.dtype);
  if (!report.deselected.empty()) line += cat("; ", with_commas(report.deselected.size()), " not selected");
  if (!left_out.empty()) line += cat("; ", plural(left_out.size(), "other value"), " left out");
  out().print(line + "\n");
  return kFine;
}

}  // namespace

Command convert_command() {
  return {
      "convert", "Write a checkpoint in another format, whole or in part",
      [](CLI::App& app) -> std::function<int()> {
        auto options = std::make_shared<ConvertArguments>();
        app.add_option("IN", options->input, "The checkpoint to read")->required();
        app.add_option("OUT", options->output, "The file or folder to write; IN itself is safe")->required();
        add_format_option(app, options->format);
        app.add_option("--dtype", options->dtype,
                       "Convert floating tensors: bf16, f16, f32, f64, f8_e4m3fn, ...")
            ->check([](const std::string& word) {
              return toolbox::floating_dtype_from(word)
                         ? std::string()
                         : cat("'", escaped(word), "' is not a floating dtype");
            })
            ->type_name("DTYPE");
        app.add_option("--select", options->convert.select, "Only names that match this glob; repeatable")
            ->type_name("GLOB")
            ->expected(1)
            ->allow_extra_args(false)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        app.add_option("--exclude", options->convert.exclude, "No names that match this glob; repeatable")
            ->type_name("GLOB")
            ->expected(1)
            ->allow_extra_args(false)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        app.add_option("--rename", options->renames,
                       "Replace every match in every name; \\1 and $1 are groups; repeatable, in order")
            ->type_name("'REGEX=REPLACEMENT'")
            ->expected(1)
            ->allow_extra_args(false)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        app.add_option("--strip-prefix", options->convert.strip_prefix,
                       "Take this from the names that begin with it (module.)")
            ->type_name("PREFIX");
        app.add_option("--add-prefix", options->convert.add_prefix, "Put this before every name")
            ->type_name("PREFIX");
        app.add_option("--state-dict", options->convert.state_dict,
                       "Only the part of the checkpoint with this name (state_dict, model.ema)")
            ->type_name("KEY");
        add_size_option(app, "--shard-size", options->shard_size,
                        "Several files of at most so many bytes of tensors each, and an index: 2GB");
        add_limit_option(app, options->load);
        app.add_flag("--keep-objects", options->keep_objects,
                     "Write unknown Python objects back, where that runs no code");
        app.add_flag("--keep-device", options->keep_device, "Keep device tags such as cuda:0 instead of cpu");
        app.add_flag("--force", options->force, "Replace OUT if it exists");
        app.add_flag("--json", options->json, "One JSON object that says what was written");
        app.footer(
            "The steps are taken in the order --state-dict, --select/--exclude, --strip-prefix, --rename,\n"
            "--add-prefix, --dtype.\n\n"
            "Example: sconce convert last.ckpt model.safetensors --state-dict state_dict \\\n"
            "           --strip-prefix module. --dtype bf16");
        return [options] { return run_convert(*options); };
      }};
}

}  // namespace sconce::cli
