#include "sconce/train/trainer.h"

#include <algorithm>
#include <utility>

#include "sconce/base/interrupt.h"
#include "sconce/kernels/random.h"
#include "sconce/tensor/loss.h"

namespace sconce::train {
namespace {

constexpr const char* kWhere = "resume";

Value entry(const Value& state, const char* name) {
  const std::optional<Value> found = state.find(name);
  require(found.has_value(), ErrorCode::kKeyMismatch, kWhere, "the checkpoint has no entry '", name,
          "': it is not one of a training run");
  return *found;
}

std::int64_t count_of(const Value& value, const char* name) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;  // sums and products with it do not overflow
  require(value.is_int(), ErrorCode::kDTypeMismatch, kWhere, "expected an int as '", name, "', found ",
          value_kind_name(value.kind()));
  const std::int64_t count = value.as_int();
  require(count >= 0 && count <= kMost, ErrorCode::kCorrupt, kWhere, "expected '", name, "' of 0 to ", kMost,
          ", found ", count);
  return count;
}

std::int64_t optional_count(const Value& state, const char* name, std::int64_t otherwise) {
  const std::optional<Value> found = state.find(name);
  return found ? count_of(*found, name) : otherwise;
}

std::optional<Value> present(const Value& state, const char* name) {
  std::optional<Value> found = state.find(name);
  return found && !found->is_none() ? found : std::nullopt;
}

// The state as an array, proven to be one a generator takes.
Array generator_state(const Value& value) {
  Array state = value.as_array().contiguous();
  Generator().set_state(state);
  return state;
}

}  // namespace

Trainer::Trainer(nn::Layer& model, optim::Optimizer& optimizer, const data::DataLoader& loader,
                 TrainerOptions options)
    : model_(model), optimizer_(optimizer), loader_(loader), options_(std::move(options)) {
  require(options_.epochs >= 0 && options_.max_steps.value_or(0) >= 0, ErrorCode::kInvalidArgument, "trainer",
          "expected 0 or more epochs and steps, found ", options_.epochs, " and ",
          options_.max_steps.value_or(0));
}

Outcome Trainer::run() {
  model_.train();
  while (position_.epoch < options_.epochs) {
    if (position_.batch == loader_.size()) {
      if (!finish_epoch()) return Outcome::kStopped;
      continue;
    }
    if (stop_requested()) return Outcome::kStopped;
    if (options_.max_steps && position_.step >= *options_.max_steps) break;
    train_step();
  }
  return Outcome::kFinished;
}

void Trainer::train_step() {
  if (!epoch_) {
    epoch_ = loader_.epoch();
    const data::EpochState state = epoch_->state();
    require(!state.loader_generator.defined() && !state.sampler_generator.defined(),
            ErrorCode::kInvalidArgument, "trainer",
            "the loader has a generator of its own, but a run is resumed from the default generator's state");
  }
  const std::optional<data::Batch> batch = epoch_->next();
  require(batch.has_value(), ErrorCode::kState, "trainer", "the data ended after ", position_.batch,
          " batches, expected ", loader_.size());

  const Tensor scores = model_(batch->images);
  const Tensor loss = cross_entropy(scores, batch->labels);
  optimizer_.zero_grad();
  loss.backward();
  optimizer_.step();
  ++position_.step;
  ++position_.batch;

  if (!options_.on_step) return;
  const auto ranks = label_ranks(scores.array(), batch->labels.array());
  options_.on_step({.step = position_.step,
                    .epoch = position_.epoch,
                    .batch = position_.batch,
                    .batches = loader_.size(),
                    .loss = loss.item(),
                    .samples = batch->size(),
                    .correct = std::count(ranks.begin(), ranks.end(), 0)});
}

// False when a stop was requested during the validation: the epoch then stays one whose batches are all done.
bool Trainer::finish_epoch() {
  EpochReport report{.epoch = position_.epoch};
  if (options_.validation != nullptr) {
    try {
      report.validation = evaluate(model_, *options_.validation, options_.on_validation);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kInterrupted && stop_requested()) return false;
      throw;
    }
    const double accuracy = report.validation->accuracy();
    report.is_best = !best_accuracy_ || accuracy > *best_accuracy_;
    if (report.is_best) best_accuracy_ = accuracy;
  }
  if (options_.scheduler != nullptr) options_.scheduler->step();
  epoch_.reset();
  ++position_.epoch;
  position_.batch = 0;
  if (options_.on_epoch) options_.on_epoch(report);
  return true;
}

Value Trainer::state_dict(const Value& settings) const {
  return Value::dict({
      {"model", model_.state_dict()},
      {"optimizer", optimizer_.state_dict()},
      {"scheduler", options_.scheduler != nullptr ? options_.scheduler->state_dict() : Value()},
      {"epoch", position_.epoch},
      {"step", position_.step},
      {"rng_state", default_generator().state()},
      {"settings", settings},
      {"batch", position_.batch},
      {"batches", loader_.size()},
      {"epoch_rng_state", epoch_ ? Value(epoch_->state().default_generator) : Value()},
      {"best_accuracy", best_accuracy_ ? Value(*best_accuracy_) : Value()},
  });
}

void Trainer::load_state_dict(const Value& state) {
  require(state.is_dict(), ErrorCode::kKeyMismatch, kWhere, "expected the dict of a training run, found ",
          value_kind_name(state.kind()));
  const StateDict model = entry(state, "model").as_state_dict();
  const Value optimizer = entry(state, "optimizer");
  const std::optional<Value> scheduler = present(state, "scheduler");
  const Position position{.epoch = count_of(entry(state, "epoch"), "epoch"),
                          .step = count_of(entry(state, "step"), "step"),
                          .batch = optional_count(state, "batch", 0)};
  const Array rng_state = generator_state(entry(state, "rng_state"));
  const std::optional<Value> epoch_rng_state = present(state, "epoch_rng_state");
  const std::optional<Value> best = present(state, "best_accuracy");
  const std::optional<double> best_accuracy = best ? std::optional<double>(best->as_float()) : std::nullopt;

  const bool is_scheduled = options_.scheduler != nullptr;
  require(scheduler.has_value() == is_scheduled, ErrorCode::kKeyMismatch, kWhere, "the checkpoint has ",
          scheduler ? "a scheduler, this run has none" : "no scheduler, this run has one");
  const std::int64_t batches = optional_count(state, "batches", loader_.size());
  require(batches == loader_.size(), ErrorCode::kState, kWhere, "the checkpoint's run has ", batches,
          " batches in an epoch, this one has ", loader_.size(), ": the data set or the batch size differs");
  require(position.batch <= batches, ErrorCode::kCorrupt, kWhere, "batch ", position.batch,
          " of an epoch that has ", batches);
  require(position.batch == 0 || epoch_rng_state, ErrorCode::kKeyMismatch, kWhere,
          "the checkpoint lies within an epoch but has no entry 'epoch_rng_state'");
  data::EpochState epoch_state;
  if (epoch_rng_state) epoch_state.default_generator = generator_state(*epoch_rng_state);
  epoch_state.batches = position.batch;

  model_.load_state_dict(model);
  optimizer_.load_state_dict(optimizer);
  if (is_scheduled) options_.scheduler->load_state_dict(*scheduler);
  epoch_.reset();
  if (epoch_rng_state) epoch_ = loader_.resume(epoch_state);
  default_generator().set_state(rng_state);
  position_ = position;
  best_accuracy_ = best_accuracy;
}

}  // namespace sconce::train
