// Compiled with contraction on: here a multiplication and an addition are one instruction where there is one.
#include "nn/fma_loop.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "sconce/base/interrupt.h"
#include "sconce/train/progress.h"

namespace sconce::cli {
namespace {

constexpr std::int64_t kRounds = 20'000;  // between two looks at the clock

// So many independent chains that none waits for its own last result. Gives a number that depends on all.
template <int kBytes, int kChains>
[[gnu::always_inline]] inline float run_chains() {
  typedef float Vector __attribute__((vector_size(kBytes)));
  Vector sums[kChains];
  for (int c = 0; c < kChains; ++c) sums[c] = Vector{} + static_cast<float>(c);
  const Vector factor = Vector{} + 0.25F;  // no chain begins at its fixed point
  const Vector term = Vector{} + 1.0F;
  for (std::int64_t round = 0; round < kRounds; ++round) {
    for (int c = 0; c < kChains; ++c) sums[c] = sums[c] * factor + term;
  }
  float total = 0;
  for (int c = 0; c < kChains; ++c) total += sums[c][0];
  return total;
}

template <int kBytes, int kChains>
constexpr double operations() {
  constexpr std::size_t kLanes = kBytes / sizeof(float);
  return 2.0 * kRounds * kChains * kLanes;
}

struct Loop {
  float (*run)();
  double operations;
};

#if defined(__x86_64__)

[[gnu::target("avx512f")]] float run_avx512() { return run_chains<64, 16>(); }
[[gnu::target("avx2,fma")]] float run_avx2() { return run_chains<32, 12>(); }
float run_plain() { return run_chains<16, 12>(); }

Loop fitting_loop() {
  if (__builtin_cpu_supports("avx512f")) return {run_avx512, operations<64, 16>()};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {run_avx2, operations<32, 12>()};
  }
  return {run_plain, operations<16, 12>()};
}

#else

float run_plain() { return run_chains<16, 16>(); }
Loop fitting_loop() { return {run_plain, operations<16, 16>()}; }

#endif

}  // namespace

double fma_gflops(int threads, double seconds) {
  const Loop loop = fitting_loop();
  const double begin = train::steady_seconds();
  std::atomic<std::int64_t> loops{0};
  std::atomic<float> sink{0};  // what is computed must be needed by someone
  const auto work = [&] {
    while (train::steady_seconds() - begin < seconds && !stop_requested()) {
      sink.store(loop.run(), std::memory_order_relaxed);
      loops.fetch_add(1, std::memory_order_relaxed);
    }
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  others.clear();
  throw_if_stop_requested();
  return static_cast<double>(loops.load()) * loop.operations / (train::steady_seconds() - begin) / 1e9;
}

}  // namespace sconce::cli
