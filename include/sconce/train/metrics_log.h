// The numbers of a run as they come, one JSON object a line.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/train/trainer.h"

namespace sconce::train {

// {"step": 1, "epoch": 0, "loss": 2.3025851}, without the newline. Numbers have 9 significant digits; NaN and
// infinities are null.
std::string step_record(std::int64_t step, std::int64_t epoch, double loss);
// {"epoch": 0, "val_loss": 1.25, "val_accuracy": 0.5561}; accuracy is a share of 1.
std::string epoch_record(std::int64_t epoch, double loss, double accuracy);

// One line of a metrics file.
struct MetricsRecord {
  enum class Kind : std::uint8_t { kStep, kEpoch };
  Kind kind = Kind::kStep;
  std::int64_t step = 0;  // of kStep
  std::int64_t epoch = 0;
  double loss = 0;      // NaN for null
  double accuracy = 0;  // of kEpoch
};

// The records of `text`. A last line that was cut short is left out; Error kCorrupt names any other line that
// is no record.
std::vector<MetricsRecord> parse_metrics(std::string_view text);

// A metrics file that is being written. Every line is handed to the system at once.
class MetricsLog {
 public:
  // Begins an empty file, replacing one that is there. Errors kNotFound, kPermission, kIo.
  explicit MetricsLog(std::string path);
  // Goes on with the file of a run that is resumed at `position`: records of later steps and of epochs that
  // were not complete then are dropped. A missing file is begun. Error kCorrupt when the file is not one.
  MetricsLog(std::string path, const Position& position);

  // Appends one record. Errors kNoSpace, kIo.
  void write(std::string_view record);

 private:
  void open(std::string_view content);
  [[noreturn]] void fail_write() const;

  std::string path_;
  std::ofstream out_;
};

}  // namespace sconce::train
