#include "file/merge.h"

#include <memory>

#include "common/limit_option.h"
#include "common/output_path.h"
#include "common/status_line.h"
#include "file/reshape_report.h"

namespace sconce::cli {
namespace {

struct MergeArguments {
  std::string input;
  std::string output;
  std::optional<checkpoint::Format> format;
  bool force = false;
  bool keep_objects = false;
  bool json = false;
  checkpoint::LoadOptions load = {};
};

int run_merge(const MergeArguments& options) {
  refuse_existing(options.output, options.force);
  checkpoint::SaveOptions save;
  save.format = options.format.value_or(format_of_output(options.output));
  save.replace = options.force;
  save.walk = options.load.walk;
  save.keep_objects = options.keep_objects;
  FileProgress progress("writing");
  save.progress = [&progress](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  const auto report = toolbox::merge(options.input, options.output, save, options.load);
  print_reshape(options.input, options.output, report, options.json);
  return kFine;
}

}  // namespace

Command merge_command() {
  return {"merge", "Join the files of a sharded or distributed checkpoint into one",
          [](CLI::App& app) -> std::function<int()> {
            auto options = std::make_shared<MergeArguments>();
            app.add_option("IN", options->input, "An index (*.index.json), a folder, or any other checkpoint")
                ->required();
            app.add_option("OUT", options->output, "The file to write")->required();
            add_format_option(app, options->format);
            add_limit_option(app, options->load);
            app.add_flag("--force", options->force, "Replace OUT if it is there");
            app.add_flag("--keep-objects", options->keep_objects,
                         "Write unknown Python objects back as they were, never one that runs code");
            app.add_flag("--json", options->json, "One JSON object instead of text");
            app.footer(
                "OUT appears whole or not at all. Distributed checkpoints (torch.distributed.checkpoint)\n"
                "get back their nesting and the int keys of optimizer state.\n\n"
                "Example: sconce merge model.safetensors.index.json model.safetensors");
            return [options] { return run_merge(*options); };
          }};
}

}  // namespace sconce::cli
