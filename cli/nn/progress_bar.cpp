#include "nn/progress_bar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "common/terminal.h"
#include "common/text_format.h"

namespace sconce::cli {
namespace {

constexpr double kSecondsBetweenDraws = 0.1;
constexpr std::size_t kMaxBarWidth = 30;

std::string bar(double fraction, std::size_t width) {
  const auto filled = static_cast<std::size_t>(fraction * static_cast<double>(width));
  std::string out(width + 2, ' ');
  out.front() = '[';
  out.back() = ']';
  return out.replace(1, filled, filled, '=');
}

}  // namespace

ProgressBar::ProgressBar(std::int64_t epochs, std::int64_t samples)
    : is_shown_(error_is_terminal()), epochs_(epochs), meter_(samples) {}

void ProgressBar::step(const train::StepReport& report) {
  if (!is_shown_) return;
  if (report.epoch != epoch_) {
    epoch_ = report.epoch;
    samples_ = correct_ = 0;
    loss_sum_ = 0;
  }
  meter_.add(report.samples);
  samples_ += report.samples;
  correct_ += report.correct;
  loss_sum_ += report.loss * static_cast<double>(report.samples);
  if (!is_due() && report.batch != report.batches) return;

  const auto samples = static_cast<double>(samples_);
  const double share = static_cast<double>(report.batch) / static_cast<double>(report.batches);
  const std::string head = fmt::format("epoch {}/{} {:3.0f}% ", report.epoch + 1, epochs_, 100 * share);
  std::string tail = fmt::format(" loss {:.4f}  accuracy {:.1f}%", loss_sum_ / samples,
                                 100 * static_cast<double>(correct_) / samples);
  if (const auto rate = meter_.rate()) tail += fmt::format("  {:.0f} img/s", *rate);
  if (const auto left = meter_.seconds_left()) tail += fmt::format("  {} left", human_seconds(*left));

  const auto columns = static_cast<std::size_t>(terminal_width());
  const std::size_t text = head.size() + tail.size() + 3;
  if (columns < text + 5) return draw((head + tail).substr(0, columns - 1));
  draw(head + bar(share, std::min(kMaxBarWidth, columns - text)) + tail);
}

void ProgressBar::validation(std::int64_t batches) {
  if (is_shown_ && is_due()) draw(fmt::format("validating, batch {}", batches));
}

void ProgressBar::clear() {
  if (!is_drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  is_drawn_ = false;
}

void ProgressBar::draw(const std::string& line) {
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  is_drawn_ = true;
}

bool ProgressBar::is_due() {
  const double now = train::steady_seconds();
  if (now - last_drawn_ < kSecondsBetweenDraws) return false;
  last_drawn_ = now;
  return true;
}

}  // namespace sconce::cli
