// How long is one training step of the tutorial's network?    bench_train_step BATCH [THREADS] [SECONDS]
// Forward, cross entropy, backward, SGD with momentum, zero_grad; prints one JSON line with the median.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "sconce/base/parallel.h"
#include "sconce/models/lenet.h"
#include "sconce/sconce.h"

using namespace sconce;

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  const auto microseconds = [](Clock::duration time) {
    return std::chrono::duration<double, std::micro>(time).count();
  };
  if (argc < 2 || std::atoi(argv[1]) < 1) {
    std::fprintf(stderr, "usage: bench_train_step BATCH [THREADS] [SECONDS]\n");
    return 2;
  }
  const std::int64_t batch = std::atoi(argv[1]);
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  const double seconds = argc > 3 ? std::atof(argv[3]) : 3;
  set_num_threads(threads);

  manual_seed(0);
  models::LeNet model;
  optim::SGD optimizer{model.parameters(), {.lr = 0.001, .momentum = 0.9}};
  nn::CrossEntropyLoss criterion;
  const Tensor images = randn({batch, 3, 32, 32});
  const Tensor labels = randint(0, 10, {batch});

  std::vector<double> times;
  constexpr int kWarmup = 10;
  const auto begin = Clock::now();
  for (int step = 0; step < kWarmup + 5 || microseconds(Clock::now() - begin) < seconds * 1e6; ++step) {
    const auto start = Clock::now();
    optimizer.zero_grad();
    const Tensor loss = criterion(model(images), labels);
    loss.backward();
    optimizer.step();
    if (step >= kWarmup) times.push_back(microseconds(Clock::now() - start));
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"median_us\": %.1f, \"steps\": %zu, \"peak_kib\": %ld}\n", times[times.size() / 2],
              times.size(), usage.ru_maxrss);
  return 0;
}
