// The folder that holds what a training run leaves behind.
#pragma once

#include <cstdint>
#include <string>

#include "sconce/state/value.h"

namespace sconce::train {

// last.pt, best.pt, metrics.jsonl and curves.svg in one folder. Checkpoints are replaced atomically: when
// saving fails or is cut short the one before it is still there, whole.
class RunFolder {
 public:
  // Makes the folder, and those above it, where missing. Errors kPermission, kNoSpace, kIo; kInvalidArgument
  // when the path is something else than a folder.
  explicit RunFolder(std::string path);

  const std::string& path() const { return path_; }
  std::string last() const { return file("last.pt"); }
  std::string best() const { return file("best.pt"); }
  std::string metrics() const { return file("metrics.jsonl"); }
  std::string curves() const { return file("curves.svg"); }
  // True when a run has saved something here.
  bool has_run() const;

  // Write Trainer::state_dict(). Errors as checkpoint::save.
  void save_last(const Value& state) const;
  void save_best(const Value& state) const;
  // Removes best.pt, if it is there. Error kIo.
  void remove_best() const;
  // Draws curves.svg from metrics.jsonl. Errors as reading and writing files, kCorrupt as parse_metrics.
  void draw_curves(std::int64_t steps_in_epoch) const;

 private:
  std::string file(const char* name) const;
  std::string path_;
};

}  // namespace sconce::train
