// A pool of std::threads that lives as long as the process; used where OpenMP is off (thread sanitizer,
// the static file-half binary).
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/thread_team.h"

namespace sconce {
namespace {

class Pool {
 public:
  ~Pool() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void run(int count, const std::function<void(int)>& work) {
    const std::scoped_lock one_team_at_a_time(team_mutex_);
    std::unique_lock lock(mutex_);
    while (static_cast<int>(threads_.size()) < count - 1) threads_.emplace_back([this] { serve(); });
    work_ = &work;
    next_ = 0;
    count_ = count;
    unfinished_ = count;
    wake_.notify_all();
    drain(lock);
    done_.wait(lock, [this] { return unfinished_ == 0; });
    work_ = nullptr;
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || next_ < count_; });
      if (stopping_) return;
      drain(lock);
    }
  }

  // Takes pieces until none is left; `lock` is held between pieces only.
  void drain(std::unique_lock<std::mutex>& lock) {
    while (next_ < count_) {
      const int piece = next_++;
      const auto* work = work_;
      lock.unlock();
      (*work)(piece);
      lock.lock();
      if (--unfinished_ == 0) done_.notify_all();
    }
  }

  std::mutex team_mutex_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::vector<std::thread> threads_;
  const std::function<void(int)>* work_ = nullptr;
  int next_ = 0;
  int count_ = 0;
  int unfinished_ = 0;
  bool stopping_ = false;
};

}  // namespace

void run_team(int count, const std::function<void(int)>& work) {
  static Pool pool;
  pool.run(count, work);
}

}  // namespace sconce
