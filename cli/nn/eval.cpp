#include "nn/eval.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "common/limit_option.h"
#include "common/output.h"
#include "common/text_format.h"
#include "nn/data_option.h"
#include "nn/weights.h"
#include "sconce/base/error.h"
#include "sconce/base/parallel.h"
#include "sconce/models/registry.h"
#include "sconce/nn/init.h"
#include "sconce/train/evaluate.h"

namespace sconce::cli {
namespace {

constexpr std::int64_t kPrefetch = 2;  // batches

struct EvalArguments {
  std::string arch;
  std::string weights;
  std::string data;
  std::int64_t batch_size = 250;
  int threads = 0;
  std::vector<double> mean;
  std::vector<double> std;
  checkpoint::LoadOptions load;
  bool json = false;
};

// What was not given, from the settings that a checkpoint of `train` carries.
void take_settings(EvalArguments& args, const Value& content) {
  if (!content.is_dict()) return;
  const auto settings = content.find("settings");
  if (!settings || !settings->is_dict()) return;
  const auto take_text = [&](const char* name, std::string& field) {
    const auto saved = settings->find(name);
    if (field.empty() && saved && saved->is_string()) field = saved->as_string();
  };
  const auto take_numbers = [&](const char* name, std::vector<double>& field) {
    const auto saved = settings->find(name);
    if (!field.empty() || !saved || !saved->is_list()) return;
    for (const Value& number : saved->elements()) field.push_back(number.as_float());
  };
  take_text("arch", args.arch);
  take_text("data", args.data);
  take_numbers("mean", args.mean);
  take_numbers("std", args.std);
}

Json as_json(const EvalArguments& args, const Weights& weights, const train::Evaluation& result,
             const std::vector<std::string>& names) {
  Json classes = Json::array();
  for (std::size_t label = 0; label < names.size(); ++label) {
    const std::int64_t total = result.class_total(label);
    const std::int64_t correct = result.class_correct(label);
    classes.push_back(
        {{"name", names[label]},
         {"correct", correct},
         {"total", total},
         {"accuracy",
          total == 0 ? Json() : Json(static_cast<double>(correct) / static_cast<double>(total))}});
  }
  return {{"arch", args.arch},
          {"weights", args.weights},
          {"weights_entry", weights.entry.empty() ? Json() : Json(weights.entry)},
          {"stripped_prefix", weights.prefix.empty() ? Json() : Json(weights.prefix)},
          {"data", args.data},
          {"loss", result.loss},
          {"correct", result.correct},
          {"total", result.total},
          {"accuracy", result.accuracy()},
          {"top5_correct", result.top5_correct},
          {"top5", result.top5_accuracy()},
          {"classes", classes},
          {"confusion", result.confusion}};
}

std::string percent(std::int64_t part, std::int64_t total) {
  if (total == 0) return "-";
  return fmt::format("{:.2f}%", 100 * static_cast<double>(part) / static_cast<double>(total));
}

std::string as_text(const train::Evaluation& result, const std::vector<std::string>& names) {
  std::string text =
      fmt::format("loss {:.6f}\naccuracy {} ({} of {})\ntop-5 accuracy {} ({} of {})\n\n", result.loss,
                  percent(result.correct, result.total), result.correct, result.total,
                  percent(result.top5_correct, result.total), result.top5_correct, result.total);
  // One row per class: how many were right, then what they were taken for.
  std::vector<std::string> header = {"CLASS", "RIGHT", "OF", "ACCURACY"};
  std::vector<bool> right_aligned = {false, true, true, true};
  for (const std::string& name : names) {
    header.push_back("as " + name);
    right_aligned.push_back(true);
  }
  TextTable table(header, right_aligned);
  for (std::size_t label = 0; label < names.size(); ++label) {
    const std::int64_t total = result.class_total(label);
    const std::int64_t correct = result.class_correct(label);
    std::vector<std::string> row = {names[label], std::to_string(correct), std::to_string(total),
                                    percent(correct, total)};
    for (const std::int64_t count : result.confusion[label]) row.push_back(std::to_string(count));
    table.add_row(row);
  }
  return text + table.str();
}

int run_eval(EvalArguments& args) {
  const Value content = load_file(args.weights, args.load);
  take_settings(args, content);
  require(!args.arch.empty(), ErrorCode::kInvalidArgument, "",
          "expected --arch NAME: the weights do not say what model they are of");
  require(!args.data.empty(), ErrorCode::kInvalidArgument, "", "expected --data: ", kDataHelp);
  const models::Model& arch = models::find(args.arch);
  if (args.mean.empty()) args.mean = arch.mean;
  if (args.std.empty()) args.std = arch.std;
  if (args.threads > 0) set_num_threads(args.threads);

  const auto pictures = open_dataset(args.data, data::Split::kTest);
  const std::unique_ptr<nn::Layer> model = [&] {
    const nn::SkipInit no_draws;
    return arch.make();
  }();
  const Weights weights = load_weights(*model, content, args.weights, args.load.walk);
  const data::DataLoader loader(
      *pictures, {.batch_size = args.batch_size,
                  .transform = picture_transform(pictures->image_shape(), args.mean, args.std, false),
                  .prefetch = kPrefetch});
  const train::Evaluation result = train::evaluate(*model, loader);

  if (args.json) {
    out().print_json(as_json(args, weights, result, pictures->class_names()));
  } else {
    if (!weights.note().empty()) out().print(cat(escaped(args.weights), ": ", weights.note(), "\n"));
    out().print(as_text(result, pictures->class_names()));
  }
  return kFine;
}

}  // namespace

Command eval_command() {
  return {
      "eval", "Measure a model's loss and accuracy on a data set", [](CLI::App& app) -> std::function<int()> {
        const auto args = std::make_shared<EvalArguments>();
        app.add_option("--arch", args->arch, "Model of the zoo; default: what a checkpoint of train names");
        app.add_option("--weights", args->weights,
                       "A state_dict, a dict that holds one, or a checkpoint of train; any format")
            ->type_name("PATH")
            ->required();
        app.add_option("--data", args->data, kDataHelp);
        app.add_option("--batch-size", args->batch_size, "Pictures in a batch")
            ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
            ->capture_default_str();
        app.add_option("--threads", args->threads, "Threads to compute with; default: one per core")
            ->check(CLI::Range(1, 4096));
        app.add_option("--mean", args->mean,
                       "Mean of the pixels, one or one per channel; default: what train used, or the model's")
            ->delimiter(',')
            ->expected(1, 4);
        app.add_option("--std", args->std, "Standard deviation of the pixels; default as --mean")
            ->delimiter(',')
            ->expected(1, 4);
        add_limit_option(app, args->load);
        app.add_flag("--json", args->json, "Print one JSON object");
        app.footer(
            "Example:\n"
            "  sconce eval --weights run/best.pt --data synthetic\n"
            "  sconce eval --arch resnet20 --weights resnet20.th --data cifar-10-batches-bin");
        return [args] { return run_eval(*args); };
      }};
}

}  // namespace sconce::cli
