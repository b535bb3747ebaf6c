// One line at the bottom of the terminal that shows how work goes.
#pragma once

#include <cstdint>
#include <string>

namespace sconce::cli {

// Drawn on the error output, and only where that is a terminal; everything here does nothing otherwise.
class StatusLine {
 public:
  StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine() { clear(); }

  bool is_shown() const { return is_shown_; }
  // True ten times a second at most.
  bool is_due();
  // `head`, a bar that is filled to `fraction` where there is room, `tail`.
  void draw(const std::string& head, double fraction, const std::string& tail);
  void draw(const std::string& line);
  // Takes the line away, so that another can be printed in its place.
  void clear();

 private:
  bool is_shown_;
  bool is_drawn_ = false;
  double last_drawn_ = 0;
};

// Bytes on their way to a file: share, rate and time left, from the first second on.
class FileProgress {
 public:
  explicit FileProgress(std::string verb);
  void update(std::uint64_t done, std::uint64_t total);

 private:
  StatusLine line_;
  std::string verb_;
  double started_;
};

}  // namespace sconce::cli
