#include "nn/train.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "common/limit_option.h"
#include "common/output.h"
#include "common/program.h"
#include "common/text_format.h"
#include "nn/data_option.h"
#include "nn/train_report.h"
#include "nn/train_settings.h"
#include "nn/weights.h"
#include "sconce/base/error.h"
#include "sconce/base/interrupt.h"
#include "sconce/base/parallel.h"
#include "sconce/models/registry.h"
#include "sconce/optim/sgd.h"
#include "sconce/optim/step_lr.h"
#include "sconce/train/run_folder.h"

namespace sconce::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kValidationBatch = 250;
constexpr std::int64_t kPrefetch = 2;  // batches

struct TrainArguments {
  TrainSettings settings;
  std::string save;
  std::string resume;  // empty: the last checkpoint of `save`
  bool is_resumed = false;
  std::string init;
  checkpoint::LoadOptions load;
  bool force = false;
  bool json = false;
};

// Forgets a request to stop for a scope: what has to be saved because of it would be refused.
class StopRequestPause {
 public:
  StopRequestPause() : was_requested_(stop_requested()) { clear_stop_request(); }
  StopRequestPause(const StopRequestPause&) = delete;
  StopRequestPause& operator=(const StopRequestPause&) = delete;
  ~StopRequestPause() {
    if (was_requested_) request_stop();
  }

 private:
  bool was_requested_;
};

// A checkpoint to go on from.
struct Resumed {
  std::string path;
  Value state;
};

std::optional<Resumed> load_resumed(const TrainArguments& args) {
  if (!args.is_resumed) return std::nullopt;
  require(!args.save.empty() || !args.resume.empty(), ErrorCode::kInvalidArgument, "",
          "--resume needs --save DIR, whose last.pt it goes on from, or a PATH of its own");
  std::string path = args.resume.empty() ? args.save : args.resume;
  std::error_code error;
  if (args.resume.empty() || fs::is_directory(path, error)) path = (fs::path(path) / "last.pt").string();
  Resumed resumed{path, load_file(path, args.load)};
  if (!resumed.state.is_dict() || !resumed.state.contains("optimizer")) {
    throw Error(ErrorCode::kKeyMismatch, "resume",
                "not the checkpoint of a training run; --init starts a new run from its weights")
        .in_file(path);
  }
  return resumed;
}

std::int64_t steps_of(const Resumed& resumed) {
  const std::optional<Value> step = resumed.state.find("step");
  if (!step || !step->is_int()) {
    throw Error(ErrorCode::kKeyMismatch, "resume", "expected an int as 'step', the steps that are done")
        .in_file(resumed.path);
  }
  return step->as_int();
}

// Where this run's files go.
struct Target {
  train::RunFolder folder;
  bool replaces = false;  // another run, whose files are there
};

std::optional<Target> open_target(const TrainArguments& args, const std::optional<Resumed>& resumed) {
  if (args.save.empty()) return std::nullopt;
  train::RunFolder folder(args.save);
  std::error_code error;
  const bool goes_on = resumed && fs::equivalent(fs::path(resumed->path).parent_path() / ".",
                                                 fs::path(args.save) / ".", error);
  const bool replaces = folder.has_run() && !goes_on;
  if (replaces && !args.force) {
    throw Error(ErrorCode::kExists, "", "holds a run already; --resume goes on with it, --force replaces it")
        .in_file(args.save);
  }
  return Target{std::move(folder), replaces};
}

std::unique_ptr<optim::LRScheduler> make_scheduler(const TrainSettings& settings,
                                                   optim::Optimizer& optimizer) {
  if (settings.scheduler == "none") return nullptr;
  return std::make_unique<optim::StepLR>(optimizer, settings.step_size,
                                         optim::StepLROptions{.gamma = settings.gamma});
}

// Keeps the checkpoints of a run, where it keeps any.
class Keeper {
 public:
  Keeper(const std::optional<Target>& target, Value settings)
      : target_(target), settings_(std::move(settings)) {}

  void epoch(const train::Trainer& trainer, bool is_best) {
    if (!target_) return;
    is_best_unsaved_ = is_best_unsaved_ || is_best;
    save(trainer);
    draw(trainer);
  }
  // What the run came to, unless that is saved already.
  void end(const train::Trainer& trainer) {
    if (!target_ || saved_steps_ == trainer.position().step) return;
    const StopRequestPause pause;
    save(trainer);
    draw(trainer);
  }

 private:
  void draw(const train::Trainer& trainer) const { target_->folder.draw_curves(trainer.steps_in_epoch()); }
  void save(const train::Trainer& trainer) {
    const train::RunFolder& folder = target_->folder;
    const Value state = trainer.state_dict(settings_);
    if (is_best_unsaved_) {
      folder.save_best(state);
    } else if (target_->replaces && saved_steps_ < 0) {
      folder.remove_best();  // of the run that is being replaced
    }
    is_best_unsaved_ = false;
    folder.save_last(state);
    saved_steps_ = trainer.position().step;
  }

  const std::optional<Target>& target_;
  Value settings_;
  std::int64_t saved_steps_ = -1;
  bool is_best_unsaved_ = false;  // also when saving it was cut short: end() saves again
};

// Takes the checkpoint; a folder without a best.pt gets the best of what comes.
void restore(train::Trainer& trainer, const Resumed& resumed, const nn::Module& model,
             const std::optional<Target>& target) {
  try {
    trainer.load_state_dict(resumed.state);
    std::error_code ignored;
    if (target && (target->replaces || !fs::exists(target->folder.best(), ignored))) trainer.forget_best();
  } catch (const LoadError& error) {
    throw explained(error, model, resumed.path);
  } catch (const Error& error) {
    throw error.in_file(resumed.path);
  }
}

// Trains; what was reached is saved also when a stop is requested, and when the output cannot be written or
// nobody reads it any more.
train::Outcome train_to_the_end(train::Trainer& trainer, Keeper& keeper) {
  train::Outcome outcome = train::Outcome::kStopped;
  try {
    outcome = trainer.run();
  } catch (const ClosedPipe&) {
    keeper.end(trainer);
    throw;
  } catch (const OutputError&) {
    keeper.end(trainer);
    throw;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInterrupted || !stop_requested()) throw;
  }
  keeper.end(trainer);
  return outcome;
}

// A run that goes on in another folder begins a new file there.
std::optional<train::MetricsLog> open_log(const std::optional<Target>& target, const train::Trainer& trainer,
                                          bool is_resumed) {
  if (!target) return std::nullopt;
  const std::string path = target->folder.metrics();
  if (is_resumed && !target->replaces) return train::MetricsLog(path, trainer.position());
  return train::MetricsLog(path);
}

// Pictures that the run has still to train on.
std::int64_t samples_left(const TrainSettings& settings, const train::Position& position,
                          const data::DataLoader& loader, std::int64_t pictures) {
  const std::int64_t done = position.epoch * pictures + position.batch * settings.batch_size;
  const std::int64_t left = settings.epochs * pictures - done;
  if (!settings.steps || loader.size() == 0) return left;
  const std::int64_t steps = std::max<std::int64_t>(0, *settings.steps - position.step);
  return std::min(left, steps * settings.batch_size);
}

int run_train(TrainArguments& args, TrainSettingsOptions& options) {
  TrainSettings& settings = args.settings;
  const std::optional<Resumed> resumed = load_resumed(args);
  if (resumed) {
    if (const auto saved = resumed->state.find("settings"); saved && saved->is_dict()) {
      options.resume(*saved, steps_of(*resumed), resumed->path);
    }
  }
  const models::Model& arch = models::find(settings.arch);
  if (settings.mean.empty()) settings.mean = arch.mean;
  if (settings.std.empty()) settings.std = arch.std;
  if (settings.threads > 0) set_num_threads(static_cast<int>(settings.threads));
  settings.threads = num_threads();

  const auto pictures = open_dataset(settings.data, data::Split::kTrain);
  std::unique_ptr<data::Dataset> test_pictures;
  if (has_test_split(settings.data)) {
    test_pictures = open_dataset(settings.data, data::Split::kTest);
  } else {
    warn(settings.data + " has no pictures for testing: no accuracy, no best.pt");
  }
  const std::optional<Target> target = open_target(args, resumed);
  if (resumed && !target)
    warn(cat("goes on from ", escaped(resumed->path), " without --save: keeps nothing"));

  manual_seed(static_cast<std::uint64_t>(settings.seed));
  const std::unique_ptr<nn::Layer> model = arch.make();
  Weights initial;
  if (!args.init.empty()) {
    initial = load_weights(*model, load_file(args.init, args.load), args.init, args.load.walk);
  }
  optim::SGD optimizer(model->parameters(), {.lr = settings.lr,
                                             .momentum = settings.momentum,
                                             .dampening = settings.dampening,
                                             .weight_decay = settings.weight_decay,
                                             .nesterov = settings.nesterov});
  const std::unique_ptr<optim::LRScheduler> scheduler = make_scheduler(settings, optimizer);

  const auto transform = [&](bool augment) {
    return picture_transform(pictures->image_shape(), settings.mean, settings.std, augment);
  };
  // What a transform draws comes from the default generator, as in PyTorch's loader without workers.
  const data::DataLoader loader(*pictures, {.batch_size = settings.batch_size,
                                            .shuffle = true,
                                            .transform = transform(settings.augment),
                                            .prefetch = settings.augment ? 0 : kPrefetch});
  Generator test_generator;
  std::optional<data::DataLoader> test_loader;
  if (test_pictures) {
    test_loader.emplace(*test_pictures, data::DataLoaderOptions{.batch_size = kValidationBatch,
                                                                .transform = transform(false),
                                                                .generator = &test_generator,
                                                                .prefetch = kPrefetch});
  }

  std::optional<TrainReport> report;
  Keeper keeper(target, options.to_value());
  train::Trainer trainer(*model, optimizer, loader,
                         {.epochs = settings.epochs,
                          .max_steps = settings.steps,
                          .scheduler = scheduler.get(),
                          .validation = test_loader ? &*test_loader : nullptr,
                          .on_step = [&](const train::StepReport& step) { report->step(step); },
                          .on_epoch =
                              [&](const train::EpochReport& epoch) {
                                // Killed in between, a resume drops the record and makes it again.
                                report->record(epoch);
                                try {
                                  keeper.epoch(trainer, epoch.is_best);
                                } catch (const Error&) {
                                  report->show(epoch);
                                  throw;
                                }
                                report->show(epoch);
                              },
                          .on_validation = [&](std::int64_t batches) { report->validation(batches); }});
  if (resumed) restore(trainer, *resumed, *model, target);
  const train::Position begun = trainer.position();
  report.emplace(TrainReportOptions{.epochs = settings.epochs,
                                    .samples = samples_left(settings, begun, loader, pictures->size()),
                                    .log_every = settings.log_every,
                                    .json = args.json},
                 open_log(target, trainer, resumed.has_value()));
  report->say(fmt::format("{}: {} parameters; {}: {} pictures, {} steps in an epoch", settings.arch,
                          with_commas(static_cast<std::uint64_t>(model->num_parameters())),
                          escaped(settings.data), with_commas(static_cast<std::uint64_t>(pictures->size())),
                          with_commas(static_cast<std::uint64_t>(loader.size()))));
  if (!initial.note().empty()) report->say(cat(escaped(args.init), ": ", initial.note()));
  if (resumed) report->say(fmt::format("goes on after epoch {}, step {}", begun.epoch, begun.step));

  const train::Outcome outcome = train_to_the_end(trainer, keeper);
  if (outcome == train::Outcome::kFinished && resumed && trainer.position().step == begun.step) {
    report->say("nothing left to do; --epochs and --steps count from the beginning of the run");
  }
  if (target) {
    report->say(
        fmt::format("saved {} after step {}", escaped(target->folder.last()), trainer.position().step));
  }
  return kFine;
}

}  // namespace

Command train_command() {
  return {
      "train", "Train a model of the zoo", [](CLI::App& app) -> std::function<int()> {
        const auto args = std::make_shared<TrainArguments>();
        const auto options = std::make_shared<TrainSettingsOptions>(app, args->settings);
        app.add_option(
               "--save", args->save,
               "Folder for last.pt, best.pt (from the first complete epoch on), metrics.jsonl, curves.svg")
            ->type_name("DIR");
        CLI::Option* resume =
            app.add_option(
                   "--resume", args->resume,
                   "Go on, bit for bit, from a run's folder or a checkpoint of it (default: last.pt of "
                   "--save), with its settings; a folder is saved to as well")
                ->type_name("[PATH]")
                ->expected(0, 1);
        app.add_option("--init", args->init, "Begin with the weights of a checkpoint of any format")
            ->type_name("PATH")
            ->excludes(resume);
        add_limit_option(app, args->load);
        app.add_flag("--force", args->force, "Replace a run that the folder of --save holds");
        app.add_flag("--json", args->json, "Print the metrics, one JSON object a line");
        app.footer(
            "Example:\n"
            "  sconce train --arch lenet --data synthetic --epochs 3 --save run\n"
            "  sconce train --resume run --epochs 5\n"
            "Ctrl-C finishes the step and saves; --resume goes on from there.");
        return [args, options, resume] {
          args->is_resumed = resume->count() > 0;
          // `--resume run` means the run as a whole: what comes next is saved there, too.
          std::error_code error;
          if (args->save.empty() && fs::is_directory(args->resume, error)) args->save = args->resume;
          return run_train(*args, *options);
        };
      }};
}

}  // namespace sconce::cli
