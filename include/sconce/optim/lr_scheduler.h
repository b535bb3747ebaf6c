// Schedules for the learning rate.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/optim/optimizer.h"
#include "sconce/state/value.h"

namespace sconce::optim {

// The numbers a schedule consists of, listed once for saving and loading.
class ScheduleFields {
 public:
  virtual ~ScheduleFields() = default;
  virtual void field(std::string_view name, std::int64_t& value) = 0;
  virtual void field(std::string_view name, double& value) = 0;
};

// Sets the learning rate of each group, as PyTorch 2 does: from the rate before it, in double precision.
// Making one is epoch 0; step() is called once per epoch (or batch) after the optimizer's. The optimizer must
// outlive it.
class LRScheduler {
 public:
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;
  virtual ~LRScheduler() = default;

  void step();
  std::int64_t last_epoch() const { return last_epoch_; }
  // The learning rates of the groups after the last step.
  const std::vector<double>& last_lr() const { return last_lr_; }

  // PyTorch's layout: the schedule's own numbers, then base_lrs, last_epoch, ...
  Value state_dict() const;
  // Takes what state_dict() gave, here or in PyTorch from 1.13 on; entries that are missing stay, further
  // ones are kept. The optimizer's learning rates are the optimizer's to load. Errors, before anything has
  // changed: kKeyMismatch for what is no scheduler's state_dict, kDTypeMismatch for a value of another kind.
  void load_state_dict(const Value& state);

 protected:
  // Notes each group's learning rate as its initial_lr. With last_epoch >= 0 (a schedule that goes on) the
  // groups must have one: Error kInvalidArgument.
  LRScheduler(Optimizer& optimizer, std::int64_t last_epoch);
  // Performs the first epoch: the last thing a constructor does.
  void start() { step(); }

  // A group's rate before the schedule began. Error kState for a group the schedule has not seen.
  double base_lr(std::size_t group) const;

  // --- what a schedule is ---
  // The rate of a group in epoch last_epoch(), from the one before.
  virtual double next_lr(std::size_t group, double lr) const = 0;
  // Lists the schedule's numbers under PyTorch's names.
  virtual void fields(ScheduleFields& list) = 0;
  // Throws for numbers that make no sense.
  virtual void check() const = 0;

 private:
  class Reader;
  Optimizer& optimizer_;
  std::vector<double> base_lrs_;
  std::int64_t last_epoch_;
  std::int64_t step_count_ = 0;
  std::vector<double> last_lr_;
  Options further_;  // loaded entries of other versions
};

}  // namespace sconce::optim
