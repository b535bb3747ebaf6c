// A background thread that makes batches ahead of their use.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "sconce/data/data_loader.h"

namespace sconce::data {

// Jobs are worked off in the order of submission. All members are called by one thread.
class Prefetcher {
 public:
  using Work = std::function<Batch(const std::vector<std::int64_t>& indices)>;
  struct Result {
    Batch batch;
    std::exception_ptr error;  // set when the work threw
  };

  explicit Prefetcher(Work work) : work_(std::move(work)), thread_([this] { run(); }) {}
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  // Waits for the batch in work, drops the rest.
  ~Prefetcher();

  void submit(std::vector<std::int64_t> indices);
  // Waits for the oldest job not yet taken; pending() must not be 0.
  Result take();
  // Jobs submitted and not taken.
  std::int64_t pending() const { return pending_; }

 private:
  void run();

  const Work work_;
  std::int64_t pending_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<std::int64_t>> jobs_;
  std::deque<Result> results_;
  bool is_stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sconce::data
