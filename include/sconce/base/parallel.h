// Splitting loops over threads. The backend (OpenMP or std::thread) is chosen when sconce is built.
#pragma once

#include <cstdint>
#include <functional>

namespace sconce {

// Threads parallel_for uses: SCONCE_NUM_THREADS, else OMP_NUM_THREADS, else the machine's cores.
int num_threads();
// Sets the number for the whole process; n >= 1 (Error kInvalidArgument).
void set_num_threads(int n);

// Calls body(begin, end) over pieces that cover [0, count) once, each at least `grain` long (but the last).
// How the range is cut depends only on count, grain and num_threads(). Runs in the calling thread when one
// piece is enough or when called from inside another parallel_for. The first exception is rethrown.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

// The grain for `count` items that hold `bytes` bytes together, where a thread is worth waking for 1 MiB.
std::int64_t grain_for_bytes(std::int64_t count, std::uint64_t bytes);

}  // namespace sconce
