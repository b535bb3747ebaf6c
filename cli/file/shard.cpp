#include "file/shard.h"

#include <memory>

#include "common/limit_option.h"
#include "common/size_option.h"
#include "common/status_line.h"
#include "file/reshape_report.h"

namespace sconce::cli {
namespace {

struct ShardArguments {
  std::string input;
  std::string output;
  std::string to = "safetensors";
  std::uint64_t size = 0;
  checkpoint::LoadOptions load = {};
  bool force = false;
  bool json = false;
};

int run_shard(const ShardArguments& options) {
  checkpoint::SaveOptions save;
  save.format = options.to == "torch" ? checkpoint::Format::kTorchZip : checkpoint::Format::kSafetensors;
  save.shard_size = options.size;
  save.replace = options.force;
  save.walk = options.load.walk;
  FileProgress progress("writing");
  save.progress = [&progress](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  const auto report = toolbox::shard(options.input, options.output, save, options.load);
  print_reshape(options.input, options.output, report, options.json);
  return kFine;
}

}  // namespace

Command shard_command() {
  return {"shard", "Split a checkpoint into several files with an index",
          [](CLI::App& app) -> std::function<int()> {
            auto options = std::make_shared<ShardArguments>();
            app.add_option("IN", options->input, "The checkpoint")->required();
            app.add_option("OUT_DIR", options->output, "The folder to write to, made if it is not there")
                ->required();
            add_size_option(app, "--size", options->size,
                            "Most bytes of tensors in one file: 2GB, 500MB, 1GiB")
                ->required();
            app.add_option("--to", options->to, "safetensors (default) or torch")
                ->check(CLI::IsMember({"safetensors", "torch"}));
            add_limit_option(app, options->load);
            app.add_flag("--force", options->force, "Replace a set of files that is there");
            app.add_flag("--json", options->json, "One JSON object instead of text");
            app.footer(
                "Writes model-00001-of-00003.safetensors .. and model.safetensors.index.json, or, with --to "
                "torch,\n"
                "pytorch_model-00001-of-00003.bin .. and pytorch_model.bin.index.json, as Hugging Face's "
                "libraries\n"
                "do. Tensors that share memory stay in one file; one larger than --size gets a file of its "
                "own. The\n"
                "index is written last, so that it never names files that do not belong together.\n\n"
                "Example: sconce shard model.pt model/ --size 2GB");
            return [options] { return run_shard(*options); };
          }};
}

}  // namespace sconce::cli
