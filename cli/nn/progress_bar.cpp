#include "nn/progress_bar.h"

#include <fmt/format.h>

#include "common/text_format.h"

namespace sconce::cli {

ProgressBar::ProgressBar(std::int64_t epochs, std::int64_t samples) : epochs_(epochs), meter_(samples) {}

void ProgressBar::step(const train::StepReport& report) {
  if (!is_shown()) return;
  if (report.epoch != epoch_) {
    epoch_ = report.epoch;
    samples_ = correct_ = 0;
    loss_sum_ = 0;
  }
  meter_.add(report.samples);
  samples_ += report.samples;
  correct_ += report.correct;
  loss_sum_ += report.loss * static_cast<double>(report.samples);
  if (!line_.is_due() && report.batch != report.batches) return;

  const auto samples = static_cast<double>(samples_);
  const double share = static_cast<double>(report.batch) / static_cast<double>(report.batches);
  const std::string head = fmt::format("epoch {}/{} {:3.0f}% ", report.epoch + 1, epochs_, 100 * share);
  std::string tail = fmt::format(" loss {:.4f}  accuracy {:.1f}%", loss_sum_ / samples,
                                 100 * static_cast<double>(correct_) / samples);
  if (const auto rate = meter_.rate()) tail += fmt::format("  {:.0f} img/s", *rate);
  if (const auto left = meter_.seconds_left()) tail += fmt::format("  {} left", human_seconds(*left));

  line_.draw(head, share, tail);
}

void ProgressBar::validation(std::int64_t batches) {
  if (line_.is_due()) line_.draw(fmt::format("validating, batch {}", batches));
}

}  // namespace sconce::cli
