#include "file/merge.h"

#include <map>
#include <memory>

#include "file/reshape_report.h"

namespace sconce::cli {
namespace {

struct Options {
  std::string input;
  std::string output;
  std::string to;
  bool force = false;
  bool keep_objects = false;
  bool json = false;
};

const std::map<std::string, checkpoint::Format>& formats() {
  static const std::map<std::string, checkpoint::Format> table = {
      {"torch", checkpoint::Format::kTorchZip},
      {"safetensors", checkpoint::Format::kSafetensors},
      {"npz", checkpoint::Format::kNpz},
  };
  return table;
}

int run(const Options& options) {
  checkpoint::SaveOptions save;
  if (!options.to.empty()) save.format = formats().at(options.to);
  save.replace = options.force;
  save.keep_objects = options.keep_objects;
  const auto report = toolbox::merge(options.input, options.output, save);
  print_reshape(options.input, options.output, report, options.json);
  return kFine;
}

}  // namespace

Command merge_command() {
  return {"merge", "Join the files of a sharded or distributed checkpoint into one",
          [](CLI::App& app) -> std::function<int()> {
            auto options = std::make_shared<Options>();
            app.add_option("IN", options->input, "An index (*.index.json), a folder, or any other checkpoint")
                ->required();
            app.add_option("OUT", options->output, "The file to write")->required();
            app.add_option("--to", options->to,
                           "Format of OUT: torch, safetensors or npz (default: by its extension, else torch)")
                ->check(CLI::IsMember(formats()));
            app.add_flag("--force", options->force, "Replace OUT if it is there");
            app.add_flag("--keep-objects", options->keep_objects,
                         "Write unknown Python objects back as they were, never one that runs code");
            app.add_flag("--json", options->json, "One JSON object instead of text");
            app.footer(
                "OUT appears whole or not at all. Distributed checkpoints (torch.distributed.checkpoint) get "
                "back "
                "their\nnesting and the int keys of optimizer state.\n\n"
                "Example: sconce merge model.safetensors.index.json model.safetensors");
            return [options] { return run(*options); };
          }};
}

}  // namespace sconce::cli
