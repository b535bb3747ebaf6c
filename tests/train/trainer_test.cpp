#include "sconce/train/trainer.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "base/error_matcher.h"
#include "sconce/base/interrupt.h"
#include "sconce/tensor/loss.h"
#include "train/small_run.h"

namespace sconce::train {
namespace {

// The loop that the class comment promises, written out.
TEST(Trainer, EqualsThePlainLoopNumberForNumber) {
  std::vector<double> plain;
  SmallRun by_hand;
  for (int epoch = 0; epoch < 3; ++epoch) {
    by_hand.model->train();
    for (const data::Batch& batch : by_hand.loader) {
      const Tensor loss = cross_entropy((*by_hand.model)(batch.images), batch.labels);
      by_hand.optimizer->zero_grad();
      loss.backward();
      by_hand.optimizer->step();
      plain.push_back(loss.item());
    }
    by_hand.scheduler->step();
  }
  const Array plain_rng = default_generator().state();

  std::vector<double> losses;
  SmallRun run(
      {.trainer = {.epochs = 3, .on_step = [&](const StepReport& step) { losses.push_back(step.loss); }}});
  EXPECT_EQ(run.trainer->run(), Outcome::kFinished);
  EXPECT_EQ(losses, plain);
  EXPECT_TRUE(default_generator().state().same_bits(plain_rng));
  EXPECT_TRUE(run.model->first.array().same_bits(by_hand.model->first.array()));
  EXPECT_TRUE(run.model->is_training());
}

TEST(Trainer, ReportsStepsAndEpochs) {
  std::vector<StepReport> steps;
  std::vector<EpochReport> epochs;
  SmallRun run({.trainer = {.epochs = 2,
                            .on_step = [&](const StepReport& step) { steps.push_back(step); },
                            .on_epoch = [&](const EpochReport& epoch) { epochs.push_back(epoch); }}});
  run.trainer->run();
  ASSERT_EQ(steps.size(), 10U);
  EXPECT_EQ(steps[0].step, 1);
  EXPECT_EQ(steps[6].step, 7);
  EXPECT_EQ(steps[6].epoch, 1);
  EXPECT_EQ(steps[6].batch, 2);
  EXPECT_EQ(steps[6].batches, 5);
  EXPECT_EQ(steps[6].samples, 4);
  EXPECT_GE(steps[6].correct, 0);
  EXPECT_LE(steps[6].correct, 4);
  ASSERT_EQ(epochs.size(), 2U);
  EXPECT_EQ(epochs[1].epoch, 1);
  ASSERT_TRUE(epochs[1].validation.has_value());
  EXPECT_EQ(epochs[1].validation->total, 8);
  EXPECT_TRUE(epochs[0].is_best);
  EXPECT_EQ(epochs[1].is_best, epochs[1].validation->accuracy() > epochs[0].validation->accuracy());
  EXPECT_EQ(run.trainer->position().epoch, 2);
  EXPECT_EQ(run.trainer->position().step, 10);
  EXPECT_EQ(run.trainer->position().batch, 0);
  EXPECT_DOUBLE_EQ(run.optimizer->param_groups()[0].lr(), 0.025);
}

// An epoch that the limit of steps completes is validated and closed.
TEST(Trainer, StopsAfterTheStepsAskedFor) {
  for (const std::int64_t steps : {0, 1, 5, 7}) {
    std::int64_t epochs = 0;
    SmallRun run(
        {.trainer = {.epochs = 3, .max_steps = steps, .on_epoch = [&](const EpochReport&) { ++epochs; }}});
    EXPECT_EQ(run.trainer->run(), Outcome::kFinished);
    EXPECT_EQ(run.trainer->position().step, steps);
    EXPECT_EQ(run.trainer->position().batch, steps % 5);
    EXPECT_EQ(epochs, steps / 5);
  }
}

TEST(Trainer, RejectsNegativeCounts) {
  EXPECT_ERROR(SmallRun({.trainer = {.epochs = -1}}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(SmallRun({.trainer = {.epochs = 1, .max_steps = -1}}), ErrorCode::kInvalidArgument);
}

TEST(Trainer, RejectsALoaderWithItsOwnGenerator) {
  SmallRun run;
  Generator generator(3);
  const data::DataLoader loader(run.pictures, {.batch_size = 4, .shuffle = true, .generator = &generator});
  Trainer trainer(*run.model, *run.optimizer, loader, {.epochs = 1});
  EXPECT_ERROR(trainer.run(), ErrorCode::kInvalidArgument);
}

class Resume : public ::testing::TestWithParam<int> {};

// Cuts after every step; what goes on is made anew from the bytes of the file, with another seed.
TEST_P(Resume, GoesOnBitForBit) {
  const std::int64_t prefetch = GetParam();
  SmallRun whole({.prefetch = prefetch});
  whole.trainer->run();
  const std::vector<std::byte> expected = whole.bytes();

  for (std::int64_t cut = 0; cut <= 15; ++cut) {
    SmallRun first({.trainer = {.epochs = 3, .max_steps = cut}, .prefetch = prefetch});
    first.trainer->run();
    const std::vector<std::byte> saved = first.bytes();

    SmallRun second({.prefetch = prefetch, .seed = 1234});
    second.load(saved);
    EXPECT_TRUE(second.bytes() == saved) << "loaded after step " << cut;
    second.trainer->run();
    EXPECT_TRUE(second.bytes() == expected) << "cut after step " << cut;
  }
}

TEST_P(Resume, ManyTimesOver) {
  const std::int64_t prefetch = GetParam();
  SmallRun whole({.prefetch = prefetch});
  whole.trainer->run();
  const std::vector<std::byte> expected = whole.bytes();

  std::vector<std::byte> saved = SmallRun({.prefetch = prefetch}).bytes();
  for (std::int64_t steps = 1; steps <= 15; ++steps) {
    SmallRun piece({.trainer = {.epochs = 3, .max_steps = steps}, .prefetch = prefetch, .seed = 99});
    piece.load(saved);
    piece.trainer->run();
    saved = piece.bytes();
  }
  EXPECT_TRUE(saved == expected);
}

TEST(Trainer, GoesOnItselfAfterAStop) {
  SmallRun whole;
  whole.trainer->run();
  const std::vector<std::byte> expected = whole.bytes();
  SmallRun run({.trainer = {.epochs = 3, .on_step = [](const StepReport& step) {
                              if (step.step % 3 == 0) request_stop();
                            }}});
  int stops = 0;
  while (run.trainer->run() == Outcome::kStopped) {
    clear_stop_request();
    ++stops;
  }
  EXPECT_EQ(stops, 5);
  EXPECT_TRUE(run.bytes() == expected);
}

// As a stop between two steps, or within a validation, leaves it.
TEST_P(Resume, AfterAStopRequest) {
  const std::int64_t prefetch = GetParam();
  SmallRun whole({.prefetch = prefetch});
  whole.trainer->run();
  const std::vector<std::byte> expected = whole.bytes();

  for (const std::int64_t at : {1, 4, 5, 6, 15}) {
    SmallRun run({.trainer = {.epochs = 3,
                              .on_step =
                                  [at](const StepReport& step) {
                                    if (step.step == at) request_stop();
                                  }},
                  .prefetch = prefetch});
    EXPECT_EQ(run.trainer->run(), Outcome::kStopped);
    EXPECT_EQ(run.trainer->position().step, at);
    clear_stop_request();
    const std::vector<std::byte> saved = run.bytes();
    SmallRun other({.prefetch = prefetch, .seed = 5});
    other.load(saved);
    other.trainer->run();
    EXPECT_TRUE(other.bytes() == expected) << "stopped after step " << at;
  }
}

TEST_P(Resume, AfterAStopWithinAValidation) {
  const std::int64_t prefetch = GetParam();
  SmallRun whole({.prefetch = prefetch});
  whole.trainer->run();
  const std::vector<std::byte> expected = whole.bytes();

  bool has_stopped = false;
  SmallRun run({.trainer = {.epochs = 3,
                            .on_validation =
                                [&](std::int64_t batches) {
                                  if (batches != 2 || has_stopped) return;
                                  has_stopped = true;
                                  request_stop();
                                }},
                .prefetch = prefetch});
  EXPECT_EQ(run.trainer->run(), Outcome::kStopped);
  clear_stop_request();
  EXPECT_TRUE(run.model->is_training());
  EXPECT_EQ(run.trainer->position().epoch, 0);
  EXPECT_EQ(run.trainer->position().batch, 5);
  const std::vector<std::byte> saved = run.bytes();
  SmallRun other({.prefetch = prefetch, .seed = 5});
  other.load(saved);
  EXPECT_EQ(other.trainer->run(), Outcome::kFinished);
  EXPECT_TRUE(other.bytes() == expected);
}

INSTANTIATE_TEST_SUITE_P(Prefetch, Resume, ::testing::Values(0, 2));

Value checkpoint_of(std::int64_t steps) {
  SmallRun run({.trainer = {.epochs = 3, .max_steps = steps}});
  run.trainer->run();
  return checkpoint::load(run.bytes());
}

// `state` without one of its entries.
Value without(const Value& state, std::string_view name) {
  Value rest = Value::dict();
  for (const auto& [key, value] : state.items()) {
    if (key.as_string() != name) rest.set_item(key, value);
  }
  return rest;
}

TEST(TrainerState, HasWhatTheContractNames) {
  SmallRun run({.trainer = {.epochs = 3, .max_steps = 7}});
  run.trainer->run();
  const Value state = run.trainer->state_dict(Value::dict({{"lr", 0.1}}));
  EXPECT_TRUE(state.at("model").is_ordered_dict());
  EXPECT_TRUE(state.at("model").as_state_dict().at("first").array().same_bits(run.model->first.array()));
  EXPECT_EQ(state.at("optimizer").at("state").size(), 2U);
  EXPECT_EQ(state.at("scheduler").at("last_epoch").as_int(), 1);
  EXPECT_EQ(state.at("epoch").as_int(), 1);
  EXPECT_EQ(state.at("step").as_int(), 7);
  EXPECT_EQ(state.at("batch").as_int(), 2);
  EXPECT_EQ(state.at("batches").as_int(), 5);
  EXPECT_EQ(state.at("rng_state").as_array().shape(), Shape({5056}));
  EXPECT_EQ(state.at("rng_state").as_array().dtype(), kUInt8);
  EXPECT_EQ(state.at("epoch_rng_state").as_array().shape(), Shape({5056}));
  EXPECT_EQ(state.at("settings").at("lr").as_float(), 0.1);
  EXPECT_TRUE(state.at("best_accuracy").is_float());
}

TEST(TrainerState, TakesAScriptsFileFromTheEndOfAnEpoch) {
  SmallRun whole;
  whole.trainer->run();
  const std::vector<std::byte> expected = whole.bytes();
  Value state = checkpoint_of(5);
  for (const char* name : {"batch", "batches", "epoch_rng_state", "settings"}) state = without(state, name);
  SmallRun run;
  run.trainer->load_state_dict(state);
  run.trainer->run();
  EXPECT_TRUE(run.bytes() == expected);
}

TEST(TrainerState, RejectsWhatIsNoRun) {
  const Value good = checkpoint_of(7);
  SmallRun run;
  EXPECT_ERROR(run.trainer->load_state_dict(Value::list()), ErrorCode::kKeyMismatch);
  for (const char* name :
       {"model", "optimizer", "scheduler", "epoch", "step", "rng_state", "epoch_rng_state"}) {
    EXPECT_ERROR(run.trainer->load_state_dict(without(good, name)), ErrorCode::kKeyMismatch);
  }
  const auto rejects = [&](const char* name, const Value& value, ErrorCode code) {
    Value state = without(good, name);
    state.set_item(name, value);
    EXPECT_ERROR(run.trainer->load_state_dict(state), code);
  };
  rejects("model", 3, ErrorCode::kDTypeMismatch);
  rejects("model", Value::dict(), ErrorCode::kKeyMismatch);
  rejects("optimizer", Value::dict(), ErrorCode::kKeyMismatch);
  rejects("epoch", "1", ErrorCode::kDTypeMismatch);
  rejects("epoch", -1, ErrorCode::kCorrupt);
  rejects("step", -1, ErrorCode::kCorrupt);
  rejects("batch", -1, ErrorCode::kCorrupt);
  rejects("batch", 6, ErrorCode::kCorrupt);
  rejects("batches", 6, ErrorCode::kState);
  rejects("rng_state", Array::zeros({5056}, kUInt8), ErrorCode::kCorrupt);
  rejects("rng_state", Array::zeros({7}, kUInt8), ErrorCode::kInvalidArgument);
  rejects("epoch_rng_state", Array::zeros({5056}), ErrorCode::kDTypeMismatch);
  rejects("best_accuracy", "x", ErrorCode::kDTypeMismatch);
}

TEST(TrainerState, RejectsASchedulerTheRunHasNot) {
  SmallRun run;
  Trainer plain(*run.model, *run.optimizer, run.loader, {.epochs = 1});
  EXPECT_ERROR(plain.load_state_dict(checkpoint_of(3)), ErrorCode::kKeyMismatch);
  EXPECT_ERROR(run.trainer->load_state_dict(plain.state_dict()), ErrorCode::kKeyMismatch);
}

TEST(TrainerState, ARejectedCheckpointChangesNothing) {
  Value bad = checkpoint_of(7);
  bad.set_item("batches", 6);
  SmallRun run;
  const std::vector<std::byte> before = run.bytes();
  EXPECT_ERROR(run.trainer->load_state_dict(bad), ErrorCode::kState);
  EXPECT_TRUE(run.bytes() == before);
}

}  // namespace
}  // namespace sconce::train
