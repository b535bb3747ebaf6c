// How fast something goes and how long it will take.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

namespace sconce::train {

// Seconds on a clock that only goes forward.
double steady_seconds();

// Counts work and measures its rate over the last seconds, so that a pause or a slow beginning is forgotten.
class ProgressMeter {
 public:
  // `total` units of work; `clock` is for tests.
  explicit ProgressMeter(std::int64_t total, std::function<double()> clock = steady_seconds);

  // `units` more are done.
  void add(std::int64_t units);
  std::int64_t done() const { return done_; }
  std::int64_t total() const { return total_; }
  // The share that is done, 0 to 1.
  double fraction() const;
  // Units per second; nothing before there is something to measure.
  std::optional<double> rate() const;
  // Seconds until `total` at that rate.
  std::optional<double> seconds_left() const;

 private:
  std::int64_t total_;
  std::int64_t done_ = 0;
  std::function<double()> clock_;
  std::deque<std::pair<double, std::int64_t>> marks_;  // time -> units done then, oldest first
};

}  // namespace sconce::train
