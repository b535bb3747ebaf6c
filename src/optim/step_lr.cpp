#include "sconce/optim/step_lr.h"

namespace sconce::optim {

StepLR::StepLR(Optimizer& optimizer, std::int64_t step_size, const StepLROptions& options)
    : LRScheduler(optimizer, options.last_epoch), step_size_(step_size), gamma_(options.gamma) {
  check();
  start();
}

double StepLR::next_lr(std::size_t, double lr) const {
  return last_epoch() != 0 && last_epoch() % step_size_ == 0 ? lr * gamma_ : lr;
}

void StepLR::fields(ScheduleFields& list) {
  list.field("step_size", step_size_);
  list.field("gamma", gamma_);
}

void StepLR::check() const {
  require(step_size_ >= 1, ErrorCode::kInvalidArgument, "step_lr", "step_size should be positive, found ",
          step_size_);
}

}  // namespace sconce::optim
