// What does an operation cost when there is next to nothing to compute?    bench_small_operations [SECONDS]
// Nanoseconds for tensors of 16 elements: forward, a chain of ten multiplications forward and backward (per
// operation), and SGD with momentum per tensor. Prints one JSON line.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "sconce/base/parallel.h"
#include "sconce/sconce.h"

using namespace sconce;

namespace {

// The least of several averages: what is slower was disturbed.
double nanoseconds(double seconds, int per_call, const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  constexpr int kCalls = 2000;
  double best = 1e30;
  const auto begin = Clock::now();
  while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds) {
    const auto start = Clock::now();
    for (int i = 0; i < kCalls; ++i) call();
    const std::chrono::duration<double, std::nano> time = Clock::now() - start;
    best = std::min(best, time.count() / kCalls / per_call);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 0.5;
  set_num_threads(1);
  const Tensor a = randn({16});
  const Tensor b = randn({16});
  const auto forward = [&](const char* name, const std::function<void()>& call) {
    const NoGradGuard no_grad;
    std::printf("\"%s_ns\": %.1f, ", name, nanoseconds(seconds, 1, call));
  };
  std::printf("{");
  forward("add", [&] { a + b; });
  forward("relu", [&] { relu(a); });
  forward("view", [&] { a.view({4, 4}); });
  forward("empty", [&] { Tensor(Array::empty({16})); });

  constexpr int kChain = 10;
  Tensor leaf = randn({16});
  leaf.set_requires_grad(true);
  const double chain = nanoseconds(seconds, kChain, [&] {
    Tensor x = leaf;
    for (int i = 0; i < kChain; ++i) x = x * b;
    x.backward(b);
    leaf.set_grad({});
  });
  std::printf("\"forward_backward_ns\": %.1f, ", chain);

  constexpr int kTensors = 100;
  std::vector<Tensor> parameters;
  for (int i = 0; i < kTensors; ++i) {
    parameters.push_back(randn({16}));
    parameters.back().set_requires_grad(true);
    parameters.back().set_grad(randn({16}));
  }
  optim::SGD optimizer{parameters, {.lr = 0.001, .momentum = 0.9}};
  std::printf("\"sgd_ns\": %.1f}\n", nanoseconds(seconds, kTensors, [&] { optimizer.step(); }));
  return 0;
}
