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
  const auto divide_up = [](std::int64_t a, std::int64_t b) { return (a - 1) / b + 1; };
  const std::int64_t length = std::max({std::int64_t{1}, grain, divide_up(count, num_threads())});
  const std::int64_t pieces = divide_up(count, length);
  if (pieces <= 1 || inside_parallel) return body(0, count);

  std::exception_ptr error;
  std::mutex error_mutex;
  run_team(static_cast<int>(pieces), [&](int piece) {
    const std::int64_t begin = length * piece;
    const std::int64_t end = begin + std::min(length, count - begin);
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

std::int64_t grain_for_bytes(std::int64_t count, std::uint64_t bytes) {
  constexpr std::uint64_t kBytesForAThread = std::uint64_t{1} << 20;
  const std::uint64_t threads = std::max<std::uint64_t>(1, bytes / kBytesForAThread);
  if (count <= 1 || threads >= static_cast<std::uint64_t>(count)) return 1;
  return (count - 1) / static_cast<std::int64_t>(threads) + 1;
}

}  // namespace sconce
