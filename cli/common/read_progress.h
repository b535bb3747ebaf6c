// How far a long reading is.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sconce::cli {

// While it lives, a status line on the terminal that compares the bytes which this process has read with the
// size of `paths` (files, or folders with all that is in them). Without a terminal it does nothing. Nothing
// else may be printed meanwhile.
class ReadProgress {
 public:
  ReadProgress(std::string verb, const std::vector<std::string>& paths);
  ReadProgress(const ReadProgress&) = delete;
  ReadProgress& operator=(const ReadProgress&) = delete;
  ~ReadProgress();

 private:
  void run(const std::string& verb, std::uint64_t total);

  std::mutex mutex_;
  std::condition_variable stopping_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace sconce::cli
