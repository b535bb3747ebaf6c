// One line on the terminal that shows how training goes.
#pragma once

#include <cstdint>
#include <string>

#include "sconce/train/progress.h"
#include "sconce/train/trainer.h"

namespace sconce::cli {

// Drawn on the error output, and only where that is a terminal; everything here does nothing otherwise.
class ProgressBar {
 public:
  // `samples`: what is left to train on in this run.
  ProgressBar(std::int64_t epochs, std::int64_t samples);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar() { clear(); }

  bool is_shown() const { return is_shown_; }
  void step(const train::StepReport& report);
  void validation(std::int64_t batches);
  // Takes the line away, so that another can be printed in its place.
  void clear();

 private:
  void draw(const std::string& line);
  bool is_due();

  bool is_shown_;
  bool is_drawn_ = false;
  std::int64_t epochs_;
  train::ProgressMeter meter_;
  double last_drawn_ = 0;
  std::int64_t epoch_ = -1;  // the sums below are of this epoch
  std::int64_t samples_ = 0;
  std::int64_t correct_ = 0;
  double loss_sum_ = 0;
};

}  // namespace sconce::cli
