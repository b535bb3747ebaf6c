// How long is one step of a network?    bench_step train|infer|first NETWORK BATCH [THREADS] [SECONDS]
// Training: forward, cross entropy, backward, SGD with momentum, zero_grad. Inference: forward in eval mode
// without a graph. First: one training step, and nothing is printed, for who measures the process. NETWORK as
// bench/networks.h has it. Prints one JSON line with the median.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "networks.h"
#include "sconce/base/parallel.h"

using namespace sconce;

namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

// The median of the steps that fit into `seconds`, after some that warm up.
template <class Step>
void measure(double seconds, const Step& step) {
  constexpr int kWarmup = 5;
  constexpr int kLeast = 8;
  std::vector<double> times;
  const auto begin = Clock::now();
  for (int i = 0; i < kLeast || microseconds(Clock::now() - begin) < seconds * 1e6; ++i) {
    const auto start = Clock::now();
    step();
    if (i >= kWarmup) times.push_back(microseconds(Clock::now() - start));
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"us\": %.1f, \"steps\": %zu, \"peak_kib\": %ld}\n", *middle, times.size(), usage.ru_maxrss);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (argc < 4 || (mode != "train" && mode != "infer" && mode != "first") || std::atoi(argv[3]) < 1) {
    std::fprintf(stderr, "usage: bench_step train|infer|first NETWORK BATCH [THREADS] [SECONDS]\n");
    return 2;
  }
  set_num_threads(argc > 4 ? std::atoi(argv[4]) : 1);
  const double seconds = argc > 5 ? std::atof(argv[5]) : 3;
  try {
    manual_seed(0);
    const bench::Network network = bench::make_network(argv[2]);
    nn::Layer& model = *network.model;
    Shape batch = network.input;
    batch.insert(0, std::atoi(argv[3]));
    const Tensor images = randn(batch);
    if (mode == "infer") {
      model.eval();
      const NoGradGuard no_grad;
      measure(seconds, [&] { model(images); });
      return 0;
    }
    optim::SGD optimizer{model.parameters(), {.lr = 0.001, .momentum = 0.9}};
    nn::CrossEntropyLoss criterion;
    const Tensor labels = randint(0, network.classes, {batch[0]});
    const auto train = [&] {
      optimizer.zero_grad();
      criterion(model(images), labels).backward();
      optimizer.step();
    };
    if (mode == "first") {
      train();
    } else {
      measure(seconds, train);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
