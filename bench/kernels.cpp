// How fast is each kernel beside what the machine can do?    bench_kernels [options of Google Benchmark]
// One thread. "of_peak" is the share of a chain-free loop of fused multiply-adds, or of copying memory, both
// measured first; the shapes are those of the networks in docs/performance.md.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "nn/fma_loop.h"
#include "sconce/base/parallel.h"
#include "sconce/codec/crc32.h"
#include "sconce/kernels/batch_norm.h"
#include "sconce/kernels/conv.h"
#include "sconce/kernels/elementwise.h"
#include "sconce/kernels/matmul.h"
#include "sconce/kernels/pool.h"
#include "sconce/kernels/reduce.h"
#include "sconce/kernels/sgd.h"
#include "sconce/kernels/softmax.h"

using namespace sconce;

namespace {

double peak_gflops = 0;
double peak_gbytes = 0;  // read and written

// The best of several copies between arrays that no cache holds.
double copied_gbytes() {
  constexpr std::size_t kBytes = std::size_t{256} << 20;
  const std::vector<std::byte> from(kBytes, std::byte{1});
  std::vector<std::byte> to(kBytes);
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    std::memcpy(to.data(), from.data(), kBytes);
    benchmark::DoNotOptimize(to.data());
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2 * static_cast<double>(kBytes) / time.count() / 1e9);
  }
  return best;
}

Array numbers(const Shape& shape) {
  static std::mt19937 random(1);
  std::normal_distribution<float> normal;
  Array out = Array::empty(shape);
  for (std::int64_t i = 0; i < out.numel(); ++i) out.mutable_data<float>()[i] = normal(random);
  return out;
}

// A kernel that does `flops` operations (0: it moves memory only) and touches `bytes` of memory.
void add(const std::string& name, double flops, double bytes, std::function<void()> run) {
  benchmark::RegisterBenchmark(name.c_str(), [=, run = std::move(run)](benchmark::State& state) {
    for ([[maybe_unused]] auto each : state) run();
    using benchmark::Counter;
    const auto rate = [](double value) { return Counter(value, Counter::kIsIterationInvariantRate); };
    if (flops > 0) {
      state.counters["flop/s"] = rate(flops);
      state.counters["of_peak"] = rate(flops / (peak_gflops * 1e9));
    } else {
      state.counters["byte/s"] = rate(bytes);
      state.counters["of_peak"] = rate(bytes / (peak_gbytes * 1e9));
    }
  });
}

void add_convolution(const std::string& name, const Shape& image, const Shape& weight,
                     const Conv2dParams& params) {
  const Array x = numbers(image);
  const Array w = numbers(weight);
  const Array bias = numbers({weight[0]});
  const Shape out = kernels::conv2d_shape(image, weight, params);
  const Array g = numbers(out);
  const double flops =
      2.0 * static_cast<double>(out.numel()) * static_cast<double>(weight.numel() / weight[0]);
  add("conv2d/" + name, flops, 0, [=] { (void)kernels::conv2d(x, w, bias, params); });
  add("conv2d_backward_input/" + name, flops, 0,
      [=] { (void)kernels::conv2d_backward_input(g, w, image, params); });
  add("conv2d_backward_weight/" + name, flops, 0,
      [=] { (void)kernels::conv2d_backward_weight(g, x, weight, params); });
}

void add_matmul(std::int64_t n, std::int64_t k, std::int64_t m) {
  const Array a = numbers({n, k});
  const Array b = numbers({k, m});
  add(cat("matmul/", n, "x", k, "x", m), 2.0 * static_cast<double>(n * k * m), 0,
      [=] { (void)kernels::matmul(a, b); });
}

void add_all() {
  add_convolution("lenet_1", {32, 3, 32, 32}, {6, 3, 5, 5}, {});
  add_convolution("lenet_2", {32, 6, 14, 14}, {16, 6, 5, 5}, {});
  add_convolution("resnet20_16", {32, 16, 32, 32}, {16, 16, 3, 3}, {.padding = 1});
  add_convolution("resnet20_32", {32, 32, 16, 16}, {32, 32, 3, 3}, {.padding = 1});
  add_convolution("resnet20_64", {32, 64, 8, 8}, {64, 64, 3, 3}, {.padding = 1});
  add_convolution("resnet18_stem", {8, 3, 224, 224}, {64, 3, 7, 7}, {.stride = 2, .padding = 3});
  add_convolution("resnet18_64", {8, 64, 56, 56}, {64, 64, 3, 3}, {.padding = 1});
  add_convolution("resnet18_512", {8, 512, 7, 7}, {512, 512, 3, 3}, {.padding = 1});
  add_convolution("resnet18_1x1", {8, 64, 56, 56}, {128, 64, 1, 1}, {.stride = 2});
  add_matmul(32, 400, 120);
  add_matmul(64, 784, 512);
  add_matmul(512, 512, 512);

  const Array image = numbers({32, 16, 32, 32});
  const Array grad = numbers({32, 16, 32, 32});
  const double bytes = static_cast<double>(image.nbytes());
  const Array channel = numbers({16});
  add("relu/32x16x32x32", 0, 2 * bytes, [=] { (void)kernels::relu(image); });
  add("relu_backward/32x16x32x32", 0, 3 * bytes, [=] { (void)kernels::relu_backward(grad, image); });
  add("add/32x16x32x32", 0, 3 * bytes, [=] { (void)kernels::add(image, grad); });
  add("sum/32x16x32x32", 0, bytes, [=] { (void)kernels::sum(image, {}, false); });
  const kernels::Window window{.kernel = 2, .stride = 2};
  const kernels::MaxPool2dResult pooled = kernels::max_pool2d(image, window, false);
  const Array pooled_grad = numbers(pooled.values.shape());
  add("max_pool2d/32x16x32x32", 0, 1.5 * bytes, [=] { (void)kernels::max_pool2d(image, window, false); });
  add("max_pool2d_backward/32x16x32x32", 0, 1.5 * bytes,
      [=] { (void)kernels::max_pool2d_backward(pooled_grad, pooled.places, image.shape(), window); });
  const kernels::BatchNormStatistics statistics = kernels::batch_norm_statistics(image, 1e-5);
  add("batch_norm_statistics/32x16x32x32", 0, bytes,
      [=] { (void)kernels::batch_norm_statistics(image, 1e-5); });
  add("batch_norm_apply/32x16x32x32", 0, 2 * bytes, [=] {
    (void)kernels::batch_norm_apply(image, statistics.mean, statistics.inverse_deviation, channel, channel);
  });
  add("batch_norm_backward/32x16x32x32", 0, 5 * bytes, [=] {
    (void)kernels::batch_norm_backward(grad, image, statistics.mean, statistics.inverse_deviation, channel,
                                       true);
  });
  const Array logits = numbers({512, 1000});
  const double logits_bytes = static_cast<double>(logits.nbytes());
  add("log_softmax/512x1000", 0, 2 * logits_bytes, [=] { (void)kernels::log_softmax(logits, 1); });
  add("sgd_step/1000000", 0, 5 * 4e6,
      [param = numbers({1'000'000}), grad = numbers({1'000'000}), buffer = numbers({1'000'000})]() mutable {
        kernels::sgd_step(param, grad, buffer, false, {.momentum = 0.9});
      });
  const auto content = std::make_shared<std::vector<std::byte>>(std::size_t{64} << 20, std::byte{7});
  add("crc32/64MiB", 0, static_cast<double>(content->size()),
      [=] { benchmark::DoNotOptimize(crc32(*content)); });
}

}  // namespace

int main(int argc, char** argv) {
  set_num_threads(1);
  peak_gflops = cli::fma_gflops(1, 0.5);
  peak_gbytes = copied_gbytes();
  std::printf("peak: %.1f GFLOP/s of multiply-adds, %.1f GB/s of copying\n", peak_gflops, peak_gbytes);
  add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
