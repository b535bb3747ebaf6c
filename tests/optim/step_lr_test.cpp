#include "sconce/optim/step_lr.h"

#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "optim/describe.h"
#include "optim/leaf.h"
#include "sconce/optim/sgd.h"
#include "sconce/tensor/factory.h"
#include "support/text_data.h"

namespace sconce::optim {
namespace {

TEST(StepLr, SixtyEpochsHaveTheBitsOfPyTorch) {
  int cases = 0;
  for (const std::string& line : test::golden_lines("optim/step_lr.txt")) {
    SCOPED_TRACE(line.substr(0, 20));
    const std::vector<std::string> words = test::words_of(line);
    ASSERT_EQ(words.size(), 2U + 2 * 61);
    Tensor a = leaf(zeros({1}));
    Tensor b = leaf(zeros({1}));
    SGD optimizer({{.params = {a}}, {.params = {b}, .lr = 0.05}}, {.lr = 0.1});
    StepLR scheduler(optimizer, std::stoll(words[0]), {.gamma = std::stod(words[1])});
    for (std::size_t epoch = 0; epoch <= 60; ++epoch) {
      EXPECT_EQ(scheduler.last_epoch(), static_cast<std::int64_t>(epoch));
      for (std::size_t group = 0; group < 2; ++group) {
        EXPECT_EQ(optimizer.param_groups()[group].lr(), std::stod(words[2 + 2 * epoch + group])) << epoch;
        EXPECT_EQ(scheduler.last_lr()[group], optimizer.param_groups()[group].lr());
      }
      scheduler.step();
    }
    ++cases;
  }
  EXPECT_EQ(cases, 3);
}

// One parameter, its optimizer and its scheduler.
struct Schedule {
  Tensor parameter = leaf(zeros({1}));
  SGD optimizer{{parameter}, {.lr = 1}};
  StepLR scheduler{optimizer, 2, {.gamma = 0.5}};
};

TEST(StepLr, LoadingGoesOnWhereSavingStopped) {
  Schedule first;
  for (int i = 0; i < 3; ++i) first.scheduler.step();
  Tensor parameter = leaf(zeros({1}));
  SGD optimizer({parameter}, {.lr = 7});
  StepLR scheduler(optimizer, 10);
  scheduler.load_state_dict(first.scheduler.state_dict());
  EXPECT_EQ(optimizer.param_groups()[0].lr(), 7) << "the learning rate is the optimizer's to load";
  optimizer.load_state_dict(first.optimizer.state_dict());
  EXPECT_EQ(describe(scheduler.state_dict()), describe(first.scheduler.state_dict()));
  for (int i = 0; i < 5; ++i) {
    first.scheduler.step();
    scheduler.step();
    EXPECT_EQ(scheduler.last_lr(), first.scheduler.last_lr());
  }
}

TEST(StepLr, LoadsWhatPyTorch113Wrote) {
  Schedule run;
  run.scheduler.load_state_dict(Value::dict({{"step_size", 3},
                                             {"gamma", 0.25},
                                             {"base_lrs", Value::list({0.1})},
                                             {"last_epoch", 5},
                                             {"verbose", false},
                                             {"_step_count", 6},
                                             {"_get_lr_called_within_step", false},
                                             {"_last_lr", Value::list({0.025})}}));
  EXPECT_EQ(
      describe(run.scheduler.state_dict()),
      "{'step_size': 3, 'gamma': 0.25, 'base_lrs': [0.1], 'last_epoch': 5, '_step_count': 6, '_is_initial': "
      "False, '_get_lr_called_within_step': False, '_last_lr': [0.025], 'verbose': False}");
  run.scheduler.step();
  EXPECT_EQ(run.scheduler.last_lr(), (std::vector<double>{0.25}));
}

TEST(StepLr, GoesOnFromAGivenEpoch) {
  Tensor parameter = leaf(zeros({1}));
  SGD optimizer({parameter}, {.lr = 1});
  EXPECT_ERROR(StepLR(optimizer, 2, {.last_epoch = 3}), ErrorCode::kInvalidArgument);
  optimizer.param_groups()[0].set("initial_lr", 4.0);
  StepLR scheduler(optimizer, 2, {.gamma = 0.5, .last_epoch = 3});
  EXPECT_EQ(scheduler.last_epoch(), 4);
  EXPECT_EQ(scheduler.last_lr(), (std::vector<double>{0.5}));
}

TEST(StepLr, FollowsGroupsAddedLater) {
  Schedule run;
  Tensor other = leaf(zeros({1}));
  run.optimizer.add_param_group({.params = {other}, .lr = 8});
  run.scheduler.step();
  run.scheduler.step();
  EXPECT_EQ(run.scheduler.last_lr(), (std::vector<double>{0.5, 4}));
}

TEST(StepLr, RefusesWhatMakesNoSenseAndChangesNothing) {
  Schedule run;
  EXPECT_ERROR(StepLR(run.optimizer, 0), ErrorCode::kInvalidArgument);
  run.scheduler.step();
  const std::string before = describe(run.scheduler.state_dict());
  const auto load = [&](const Value& state) { run.scheduler.load_state_dict(state); };
  EXPECT_ERROR(load(Value::list()), ErrorCode::kKeyMismatch);
  EXPECT_ERROR(load(Value::dict({{1, 2}})), ErrorCode::kKeyMismatch);
  EXPECT_ERROR(load(Value::dict({{"last_epoch", 9}, {"step_size", 0}})), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(load(Value::dict({{"last_epoch", 9}, {"gamma", "half"}})), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(load(Value::dict({{"last_epoch", 1.5}})), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(load(Value::dict({{"last_epoch", 9}, {"base_lrs", Value::list({0.1, 0.2})}})),
               ErrorCode::kKeyMismatch);
  EXPECT_ERROR(load(Value::dict({{"last_epoch", 9}, {"_last_lr", 0.1}})), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(describe(run.scheduler.state_dict()), before);
}

}  // namespace
}  // namespace sconce::optim
