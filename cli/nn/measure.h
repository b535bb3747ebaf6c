// The measurements of `sconce bench`, as data.
#pragma once

#include <cstdint>
#include <string>

#include "sconce/models/registry.h"

namespace sconce::cli {

// Forward, cross entropy, backward and a step of SGD with momentum, on random pictures.
struct StepTimes {
  std::int64_t steps = 0;  // that were measured, after some to warm up
  double median = 0;       // seconds of one
  double best = 0;
};
// Measures for about `seconds`, at least five steps. Error kInterrupted when a stop is requested.
StepTimes time_train_step(const models::Model& arch, std::int64_t batch, double seconds);

// A state_dict written, read and listed, in seconds: the median of three.
struct CheckpointTimes {
  std::uint64_t bytes = 0;  // of the file
  std::size_t tensors = 0;
  double save = 0;  // until the bytes are on disk
  double load = 0;  // with checksums compared; from memory, because the file was just written
  double list = 0;  // names and shapes only
};
// Uses a file of its own in the folder, about `size` bytes, and removes it. Errors as checkpoint::save,
// kInterrupted.
CheckpointTimes time_checkpoint(const std::string& folder, std::uint64_t size);

}  // namespace sconce::cli
