// The learning rate falls by a factor every few epochs.
#pragma once

#include "sconce/optim/lr_scheduler.h"

namespace sconce::optim {

struct StepLROptions {
  double gamma = 0.1;
  std::int64_t last_epoch = -1;
};

// Multiplies the learning rate by gamma in every epoch that is a multiple of step_size.
class StepLR : public LRScheduler {
 public:
  // Error kInvalidArgument unless step_size >= 1.
  StepLR(Optimizer& optimizer, std::int64_t step_size, const StepLROptions& options = {});

 protected:
  double next_lr(std::size_t group, double lr) const override;
  void fields(ScheduleFields& list) override;
  void check() const override;

 private:
  std::int64_t step_size_;
  double gamma_;
};

}  // namespace sconce::optim
