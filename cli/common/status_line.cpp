#include "common/status_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "common/terminal.h"
#include "common/text_format.h"

namespace sconce::cli {
namespace {

constexpr double kSecondsBetweenDraws = 0.1;
constexpr double kSecondsOfSilence = 1;  // what is done by then needs no bar
constexpr std::size_t kMaxBarWidth = 30;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string bar(double fraction, std::size_t width) {
  const auto filled = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(width));
  std::string out(width + 2, ' ');
  out.front() = '[';
  out.back() = ']';
  return out.replace(1, filled, filled, '=');
}

}  // namespace

StatusLine::StatusLine() : is_shown_(error_is_terminal()) {}

bool StatusLine::is_due() {
  if (!is_shown_) return false;
  const double time = now();
  if (time - last_drawn_ < kSecondsBetweenDraws) return false;
  last_drawn_ = time;
  return true;
}

void StatusLine::draw(const std::string& head, double fraction, const std::string& tail) {
  const auto columns = static_cast<std::size_t>(terminal_width());
  const std::size_t text = display_width(head) + display_width(tail) + 3;
  if (columns < text + 5) return draw((head + tail).substr(0, columns - 1));
  draw(head + bar(fraction, std::min(kMaxBarWidth, columns - text)) + tail);
}

void StatusLine::draw(const std::string& line) {
  if (!is_shown_) return;
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  is_drawn_ = true;
}

void StatusLine::clear() {
  if (!is_drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  is_drawn_ = false;
}

FileProgress::FileProgress(std::string verb) : verb_(std::move(verb)), started_(now()) {}

void FileProgress::update(std::uint64_t done, std::uint64_t total) {
  const double seconds = now() - started_;
  if (seconds < kSecondsOfSilence || total == 0 || !line_.is_due()) return;
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const double rate = static_cast<double>(done) / seconds;
  std::string tail = fmt::format(" {}/s", human_bytes(static_cast<std::uint64_t>(rate)));
  if (rate > 0) tail += fmt::format("  {} left", human_seconds(static_cast<double>(total - done) / rate));
  line_.draw(fmt::format("{} {:3.0f}% ", verb_, 100 * share), share, tail);
}

}  // namespace sconce::cli
