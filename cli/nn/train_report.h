// What a user sees of a training run, and what its metrics file gets.
#pragma once

#include <cstdint>
#include <optional>

#include "nn/progress_bar.h"
#include "sconce/train/metrics_log.h"
#include "sconce/train/trainer.h"

namespace sconce::cli {

struct TrainReportOptions {
  std::int64_t epochs = 1;
  std::int64_t samples = 0;  // that are left to train on
  std::int64_t log_every = 100;
  bool json = false;
};

// Metrics of step 1, of every log_every-th step and of each epoch go to the file and, as JSON or as text, to
// standard output; a progress bar takes the place of the steps' text on a terminal.
class TrainReport {
 public:
  TrainReport(const TrainReportOptions& options, std::optional<train::MetricsLog> log);

  void step(const train::StepReport& report);
  void validation(std::int64_t batches) { bar_.validation(batches); }
  // An epoch's line in the file, and what is shown of it.
  void record(const train::EpochReport& report);
  void show(const train::EpochReport& report);
  // One line for people; nothing with json.
  void say(const std::string& line);

 private:
  void say_json(const std::string& record);

  TrainReportOptions options_;
  std::optional<train::MetricsLog> log_;
  ProgressBar bar_;
  bool has_warned_ = false;
};

}  // namespace sconce::cli
