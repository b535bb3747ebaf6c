#include "sconce/train/progress.h"

#include <algorithm>
#include <chrono>

namespace sconce::train {
namespace {

constexpr double kWindowSeconds = 10;
constexpr double kMarkSeconds = 0.25;  // marks closer than this say nothing new

}  // namespace

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ProgressMeter::ProgressMeter(std::int64_t total, std::function<double()> clock)
    : total_(total), clock_(std::move(clock)) {
  marks_.emplace_back(clock_(), 0);
}

void ProgressMeter::add(std::int64_t units) {
  done_ += units;
  const double now = clock_();
  // The newest mark moves along until it is far enough from the one before it.
  if (marks_.size() >= 2 && marks_.back().first - (marks_.end() - 2)->first < kMarkSeconds) {
    marks_.back() = {now, done_};
  } else {
    marks_.emplace_back(now, done_);
  }
  while (marks_.size() > 2 && marks_[1].first < now - kWindowSeconds) marks_.pop_front();
}

double ProgressMeter::fraction() const {
  if (total_ <= 0) return 1;
  return std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
}

std::optional<double> ProgressMeter::rate() const {
  const double seconds = marks_.back().first - marks_.front().first;
  if (seconds <= 0) return std::nullopt;
  return static_cast<double>(marks_.back().second - marks_.front().second) / seconds;
}

std::optional<double> ProgressMeter::seconds_left() const {
  const std::optional<double> units_per_second = rate();
  if (!units_per_second || *units_per_second <= 0) return std::nullopt;
  return static_cast<double>(std::max<std::int64_t>(total_ - done_, 0)) / *units_per_second;
}

}  // namespace sconce::train
