// What does an operation cost when there is next to nothing to compute?    bench_small_operations WHAT
// [SECONDS] Tensors of 16 elements; add, relu, view, empty: forward; chain: ten multiplications forward and
// backward (per operation); sgd: SGD with momentum (per tensor). Prints one JSON line.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "sconce/base/parallel.h"
#include "sconce/sconce.h"

using namespace sconce;

namespace {

// The least of several averages: what is slower was disturbed.
template <class Call>
double microseconds(double seconds, int per_call, const Call& call) {
  using Clock = std::chrono::steady_clock;
  constexpr int kCalls = 2000;
  double best = 1e30;
  const auto begin = Clock::now();
  while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds) {
    const auto start = Clock::now();
    for (int i = 0; i < kCalls; ++i) call();
    const std::chrono::duration<double, std::micro> time = Clock::now() - start;
    best = std::min(best, time.count() / kCalls / per_call);
  }
  return best;
}

double forward(double seconds, const std::string& what) {
  const NoGradGuard no_grad;
  const Tensor a = randn({16});
  const Tensor b = randn({16});
  if (what == "add") return microseconds(seconds, 1, [&] { a + b; });
  if (what == "relu") return microseconds(seconds, 1, [&] { relu(a); });
  if (what == "view") return microseconds(seconds, 1, [&] { a.view({4, 4}); });
  return microseconds(seconds, 1, [&] { Tensor(Array::empty({16})); });
}

double chain(double seconds) {
  constexpr int kLength = 10;
  const Tensor b = randn({16});
  Tensor leaf = randn({16});
  leaf.set_requires_grad(true);
  return microseconds(seconds, kLength, [&] {
    Tensor x = leaf;
    for (int i = 0; i < kLength; ++i) x = x * b;
    x.backward(b);
    leaf.set_grad({});
  });
}

double sgd(double seconds) {
  constexpr int kTensors = 100;
  std::vector<Tensor> parameters;
  for (int i = 0; i < kTensors; ++i) {
    parameters.push_back(randn({16}));
    parameters.back().set_requires_grad(true);
    parameters.back().set_grad(randn({16}));
  }
  optim::SGD optimizer{parameters, {.lr = 0.001, .momentum = 0.9}};
  return microseconds(seconds, kTensors, [&] { optimizer.step(); });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0.5;
  set_num_threads(1);
  double time = 0;
  if (what == "chain") {
    time = chain(seconds);
  } else if (what == "sgd") {
    time = sgd(seconds);
  } else if (what == "add" || what == "relu" || what == "view" || what == "empty") {
    time = forward(seconds, what);
  } else {
    std::fprintf(stderr, "usage: bench_small_operations add|relu|view|empty|chain|sgd [SECONDS]\n");
    return 2;
  }
  std::printf("{\"us\": %.4f}\n", time);
  return 0;
}
