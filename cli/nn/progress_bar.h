// One line on the terminal that shows how training goes.
#pragma once

#include <cstdint>
#include <string>

#include "common/status_line.h"
#include "sconce/train/progress.h"
#include "sconce/train/trainer.h"

namespace sconce::cli {

// Drawn on the error output, and only where that is a terminal; everything here does nothing otherwise.
class ProgressBar {
 public:
  // `samples`: what is left to train on in this run.
  ProgressBar(std::int64_t epochs, std::int64_t samples);

  bool is_shown() const { return line_.is_shown(); }
  void step(const train::StepReport& report);
  void validation(std::int64_t batches);
  // Takes the line away, so that another can be printed in its place.
  void clear() { line_.clear(); }

 private:
  StatusLine line_;
  std::int64_t epochs_;
  train::ProgressMeter meter_;
  std::int64_t epoch_ = -1;  // the sums below are of this epoch
  std::int64_t samples_ = 0;
  std::int64_t correct_ = 0;
  double loss_sum_ = 0;
};

}  // namespace sconce::cli
