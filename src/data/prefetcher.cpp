#include "data/prefetcher.h"

#include <utility>

namespace sconce::data {

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Prefetcher::submit(std::vector<std::int64_t> indices) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(indices));
  }
  ++pending_;
  changed_.notify_all();
}

Prefetcher::Result Prefetcher::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !results_.empty(); });
  Result result = std::move(results_.front());
  results_.pop_front();
  --pending_;
  return result;
}

void Prefetcher::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
    if (is_stopping_) return;
    const std::vector<std::int64_t> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    Result result;
    try {
      result.batch = work_(job);
    } catch (...) {
      result.error = std::current_exception();
    }
    lock.lock();
    results_.push_back(std::move(result));
    changed_.notify_all();
  }
}

}  // namespace sconce::data
