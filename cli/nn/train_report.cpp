#include "nn/train_report.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"

namespace sconce::cli {

TrainReport::TrainReport(const TrainReportOptions& options, std::optional<train::MetricsLog> log)
    : options_(options), log_(std::move(log)), bar_(options.epochs, options.samples) {}

void TrainReport::step(const train::StepReport& report) {
  bar_.step(report);
  if (!std::isfinite(report.loss) && !has_warned_) {
    bar_.clear();
    warn(fmt::format("the loss is {} at step {}; a smaller --lr may help", report.loss, report.step));
    has_warned_ = true;
  }
  if (report.step != 1 && report.step % options_.log_every != 0) return;
  const std::string record = train::step_record(report.step, report.epoch, report.loss);
  if (log_) log_->write(record);
  say_json(record);
  if (bar_.is_shown() && output_is_terminal()) return;
  say(fmt::format("epoch {}/{}  step {}  loss {:.6f}", report.epoch + 1, options_.epochs, report.step,
                  report.loss));
}

void TrainReport::record(const train::EpochReport& report) {
  if (!report.validation || !log_) return;
  log_->write(train::epoch_record(report.epoch, report.validation->loss, report.validation->accuracy()));
}

void TrainReport::show(const train::EpochReport& report) {
  if (!report.validation) return;
  const train::Evaluation& result = *report.validation;
  say_json(train::epoch_record(report.epoch, result.loss, result.accuracy()));
  say(fmt::format("epoch {}/{}  test loss {:.6f}  test accuracy {:.2f}% ({} of {}){}", report.epoch + 1,
                  options_.epochs, result.loss, 100 * result.accuracy(), result.correct, result.total,
                  report.is_best ? "  best so far" : ""));
}

void TrainReport::say(const std::string& line) {
  bar_.clear();
  if (options_.json) return;
  out().print(line + "\n");
  out().flush();
}

void TrainReport::say_json(const std::string& record) {
  if (!options_.json) return;
  bar_.clear();
  out().print(record + "\n");
  out().flush();
}

}  // namespace sconce::cli
