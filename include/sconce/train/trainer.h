// The training loop of a classifier.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "sconce/data/data_loader.h"
#include "sconce/nn/module.h"
#include "sconce/optim/lr_scheduler.h"
#include "sconce/optim/optimizer.h"
#include "sconce/state/value.h"
#include "sconce/train/evaluate.h"

namespace sconce::train {

// How far a run is.
struct Position {
  std::int64_t epoch = 0;  // complete epochs: the index of the one in progress
  std::int64_t step = 0;   // optimizer steps since the beginning
  std::int64_t batch = 0;  // batches of the epoch in progress that are done
};

struct StepReport {
  std::int64_t step = 0;     // the first step is 1
  std::int64_t epoch = 0;    // the first epoch is 0
  std::int64_t batch = 0;    // within the epoch, from 1
  std::int64_t batches = 0;  // in an epoch
  double loss = 0;           // mean over the batch, before the step
  std::int64_t samples = 0;  // in the batch
  std::int64_t correct = 0;  // of them predicted right, before the step
};

struct EpochReport {
  std::int64_t epoch = 0;                     // the first epoch is 0
  std::optional<Evaluation> validation = {};  // when there is a validation loader
  bool is_best = false;                       // the best validation accuracy so far
};

struct TrainerOptions {
  std::int64_t epochs = 1;  // in all, those before a resume included
  // Steps in all; an epoch that ends with the last of them is completed.
  std::optional<std::int64_t> max_steps = {};
  optim::LRScheduler* scheduler = nullptr;                       // stepped at the end of each epoch
  const data::DataLoader* validation = nullptr;                  // must have a generator of its own
  std::function<void(const StepReport&)> on_step = {};           // after each step
  std::function<void(const EpochReport&)> on_epoch = {};         // after each complete epoch
  std::function<void(std::int64_t batches)> on_validation = {};  // after each batch of a validation
};

enum class Outcome : std::uint8_t {
  kFinished,  // all epochs or steps are done
  kStopped,   // a stop was requested (base/interrupt.h); run() would go on
};

// What the plain loop of a PyTorch script does, number for number:
//   for epoch: model.train(); for x, y in loader: loss = cross_entropy(model(x), y);
//              optimizer.zero_grad(); loss.backward(); optimizer.step()
//              scheduler.step()
// Random numbers come from the default generator only: the loader's seeds, then whatever the model draws.
// Validation draws none of them.
//
// state_dict() may be taken at any time between two steps, so also from the callbacks. A new Trainer over
// equal objects that loads it goes on bit for bit as if nothing had happened, in the middle of an epoch too.
// Everything named here must outlive the trainer.
class Trainer {
 public:
  // Error kInvalidArgument for a negative number of epochs or steps.
  Trainer(nn::Layer& model, optim::Optimizer& optimizer, const data::DataLoader& loader,
          TrainerOptions options);

  // Trains until everything is done or a stop is requested, which is noticed after each step. The model is
  // left in training mode. Error kInvalidArgument when the loader draws its order from a generator of its
  // own. After an error position() tells what was done.
  Outcome run();
  const Position& position() const { return position_; }
  std::int64_t steps_in_epoch() const { return loader_.size(); }
  // The best validation accuracy of a complete epoch, if there was one.
  std::optional<double> best_accuracy() const { return best_accuracy_; }
  // The next complete epoch is the best again, whatever came before.
  void forget_best() { best_accuracy_.reset(); }

  // {model, optimizer, scheduler (or None), epoch, step, rng_state, settings, batch, batches,
  // epoch_rng_state, best_accuracy}: plain values that torch.load(weights_only=True) takes. `epoch`, `step`
  // and `batch` are position(), `batches` the loader's size, rng_state the default generator's state now,
  // epoch_rng_state (or None) when the epoch in progress began. `settings` is for the caller. Arrays share
  // memory with the live ones.
  Value state_dict(const Value& settings = Value::dict()) const;
  // Takes what state_dict() gave, and sets the default generator. batch (0), batches, epoch_rng_state and
  // best_accuracy may be missing, as a file of a PyTorch script may have it at the end of an epoch. Errors:
  // kKeyMismatch, kShapeMismatch when model, optimizer or scheduler do not fit or an entry is missing;
  // kDTypeMismatch, kCorrupt for entries no run has; kState when the loader makes another number of batches.
  // Entries are checked before anything changes, but the model is loaded before the optimizer.
  void load_state_dict(const Value& state);

 private:
  void train_step();
  bool finish_epoch();

  nn::Layer& model_;
  optim::Optimizer& optimizer_;
  const data::DataLoader& loader_;
  TrainerOptions options_;
  Position position_;
  std::optional<double> best_accuracy_;
  std::optional<data::Epoch> epoch_;
};

}  // namespace sconce::train
