#include "file/average.h"

#include <memory>

#include "common/limit_option.h"
#include "common/output.h"
#include "common/output_path.h"
#include "common/status_line.h"
#include "sconce/base/error.h"
#include "sconce/checkpoint/save.h"
#include "sconce/toolbox/average.h"
#include "sconce/toolbox/code_warnings.h"
#include "sconce/toolbox/save_of.h"

namespace sconce::cli {
namespace {

struct AverageArguments {
  std::vector<std::string> paths;  // inputs, then the output
  std::vector<double> weights;
  double ema = 0;
  bool has_ema = false;
  std::string state_dict;
  checkpoint::LoadOptions load = {};
  bool force = false;
  bool json = false;
};

int run_average(const AverageArguments& options) {
  require(options.paths.size() >= 2, ErrorCode::kInvalidArgument, "",
          "expected the inputs and then the output, found ", options.paths.size(), " path",
          options.paths.size() == 1 ? "" : "s", "; see 'sconce average --help'");
  const std::string& target = options.paths.back();
  refuse_existing(target, options.force);
  require(!is_index(target), ErrorCode::kUnsupported, "", "the result is one file; 'sconce shard' cuts it");
  std::vector<toolbox::AverageInput> inputs;
  for (std::size_t i = 0; i + 1 < options.paths.size(); ++i)
    inputs.push_back({options.paths[i], checkpoint::describe(options.paths[i], options.load)});
  for (const toolbox::AverageInput& input : inputs) {
    for (const std::string& line : toolbox::code_warnings(input.listing.pickles)) {
      warn(cat(escaped(input.name), ": ", line));
    }
  }
  toolbox::AverageOptions wanted;
  wanted.weights = options.weights;
  if (options.has_ema) wanted.ema = options.ema;
  wanted.state_dict = options.state_dict;
  const toolbox::AverageResult result = toolbox::average(inputs, wanted);
  FileProgress progress("writing");
  const checkpoint::SaveReport report = toolbox::save_of(
      inputs.front().name, target, result.state,
      {.format = format_of_output(target),
       .replace = options.force,
       .walk = options.load.walk,
       .progress = [&progress](std::uint64_t done, std::uint64_t total) { progress.update(done, total); }});

  for (const std::string& note : report.warnings) warn(note);
  if (options.json) {
    Json json;
    json["output"] = target;
    json["inputs"] = std::vector<std::string>(options.paths.begin(), options.paths.end() - 1);
    json["averaged"] = result.averaged;
    json["taken_from_last"] = result.taken;
    json["bytes"] = report.bytes;
    json["notes"] = result.notes;
    out().print_json(json);
    return kFine;
  }
  for (const std::string& note : result.notes) out().print(cat("note: ", note, "\n"));
  out().print(
      cat("averaged ", result.averaged, " tensors of ", inputs.size(), " files into ", escaped(target)));
  if (result.taken > 0) out().print(cat("; ", result.taken, " of integers or bools are the last file's"));
  out().print("\n");
  return kFine;
}

}  // namespace

Command average_command() {
  return {
      "average", "Average the weights of several checkpoints", [](CLI::App& app) -> std::function<int()> {
        auto options = std::make_shared<AverageArguments>();
        app.add_option("PATH", options->paths, "The inputs, of any formats, and last the output")
            ->required()
            ->type_name("IN... OUT");
        app.add_option("--weights", options->weights,
                       "One for each input, divided by their sum; default: all alike")
            ->delimiter(',');
        auto* ema =
            app.add_option("--ema", options->ema,
                           "Exponential moving average in the order given: average = DECAY * average + "
                           "(1 - DECAY) * input")
                ->type_name("DECAY");
        app.add_option("--state-dict", options->state_dict, "The dict of each file that is averaged (model)")
            ->type_name("KEY");
        add_limit_option(app, options->load);
        app.add_flag("--force", options->force, "Replace an existing output");
        app.add_flag("--json", options->json, "One JSON object instead of text");
        app.footer(
            "Weights alone are averaged: of a training checkpoint its state_dict, without the optimizer.\n"
            "Sums are made in float64 and rounded once to the dtype of the first input. Integers and bools\n"
            "(num_batches_tracked) are the last input's. After averaging, the running statistics of batch\n"
            "norms want one pass over data (torch.optim.swa_utils.update_bn).\n\n"
            "Example: sconce average epoch8.pt epoch9.pt epoch10.pt swa.pt\n"
            "         sconce average --weights 0.5,0.3,0.2 a.pt b.pt c.safetensors soup.safetensors");
        return [options, ema] {
          options->has_ema = ema->count() > 0;
          return run_average(*options);
        };
      }};
}

}  // namespace sconce::cli
