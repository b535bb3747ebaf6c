#include "sconce/base/parallel.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

#include "base/thread_team.h"
#include "sconce/base/error.h"

namespace sconce {
namespace {

int threads_from_environment() {
  for (const char* name : {"SCONCE_NUM_THREADS", "OMP_NUM_THREADS"}) {
    if (const char* text = std::getenv(name)) {
      const int n = std::atoi(text);
      if (n >= 1) return std::min(n, 1024);
    }
  }
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count{threads_from_environment()};
  return count;
}

thread_local bool inside_parallel = false;

}  // namespace

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(int n) {
  require(n >= 1, ErrorCode::kInvalidArgument, "threads", "expected at least 1 thread, got ", n);
  thread_count().store(n, std::memory_order_relaxed);
}

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (count <= 0) return;
  const std::int64_t pieces = std::min<std::int64_t>(
      num_threads(), (count + std::max<std::int64_t>(grain, 1) - 1) / std::max<std::int64_t>(grain, 1));
  if (pieces <= 1 || inside_parallel) return body(0, count);

  std::exception_ptr error;
  std::mutex error_mutex;
  run_team(static_cast<int>(pieces), [&](int piece) {
    const std::int64_t begin = count * piece / pieces;
    const std::int64_t end = count * (piece + 1) / pieces;
    inside_parallel = true;
    try {
      body(begin, end);
    } catch (...) {
      const std::scoped_lock lock(error_mutex);
      if (!error) error = std::current_exception();
    }
    inside_parallel = false;
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace sconce
