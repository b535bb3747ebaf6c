#include "sconce/train/metrics_log.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "sconce/base/error.h"
#include "sconce/base/file.h"
#include "sconce/codec/json.h"

namespace sconce::train {
namespace {

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  constexpr int kDigits = 9;
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, kDigits);
  return {text.data(), end.ptr};
}

double number_of(const json::Json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.as_double();
}

MetricsRecord parse_record(std::string_view line) {
  const json::Json json = json::parse(line);
  MetricsRecord record;
  record.epoch = json.at("epoch").as_int();
  if (json.find("step") != nullptr) {
    record.step = json.at("step").as_int();
    record.loss = number_of(json.at("loss"));
    return record;
  }
  record.kind = MetricsRecord::Kind::kEpoch;
  record.loss = number_of(json.at("val_loss"));
  record.accuracy = number_of(json.at("val_accuracy"));
  return record;
}

// Calls `each(line, record)` for the whole lines of `text`.
template <class Each>
void for_each_record(std::string_view text, const Each& each) {
  for (std::int64_t row = 1; !text.empty(); ++row) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return;  // the writer was killed within this line
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    try {
      each(line, parse_record(line));
    } catch (const Error& error) {
      fail(ErrorCode::kCorrupt, "metrics", "line ", row, " is no record of a run: ", error.text());
    }
  }
}

std::string content_of(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_kept(const MetricsRecord& record, const Position& position) {
  return record.kind == MetricsRecord::Kind::kStep ? record.step <= position.step
                                                   : record.epoch < position.epoch;
}

}  // namespace

std::string step_record(std::int64_t step, std::int64_t epoch, double loss) {
  return cat("{\"step\": ", step, ", \"epoch\": ", epoch, ", \"loss\": ", number(loss), "}");
}

std::string epoch_record(std::int64_t epoch, double loss, double accuracy) {
  return cat("{\"epoch\": ", epoch, ", \"val_loss\": ", number(loss),
             ", \"val_accuracy\": ", number(accuracy), "}");
}

std::vector<MetricsRecord> parse_metrics(std::string_view text) {
  std::vector<MetricsRecord> records;
  for_each_record(text, [&](std::string_view, const MetricsRecord& record) { records.push_back(record); });
  return records;
}

MetricsLog::MetricsLog(std::string path) : path_(std::move(path)) { open({}); }

MetricsLog::MetricsLog(std::string path, const Position& position) : path_(std::move(path)) {
  std::string kept;
  std::error_code error;
  if (std::filesystem::exists(path_, error)) {
    try {
      for_each_record(content_of(path_), [&](std::string_view line, const MetricsRecord& record) {
        if (is_kept(record, position)) kept += cat(line, "\n");
      });
    } catch (const Error& wrong) {
      throw wrong.in_file(path_);
    }
  }
  open(kept);
}

void MetricsLog::open(std::string_view content) {
  AtomicFile file(path_);
  file.write(content);
  file.commit();
  out_.open(path_, std::ios::app | std::ios::binary);
  if (!out_) fail_write();
}

void MetricsLog::write(std::string_view record) {
  out_ << record << '\n' << std::flush;
  if (!out_) fail_write();
}

void MetricsLog::fail_write() const {
  const int number = errno;
  throw Error(number == ENOSPC ? ErrorCode::kNoSpace : ErrorCode::kIo, "",
              cat("cannot write: ", std::generic_category().message(number)))
      .in_file(path_);
}

}  // namespace sconce::train
