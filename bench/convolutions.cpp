// Does the rule of kernels/direct/choice.h choose well?    bench_convolutions [SEED] [COUNT] [SECONDS]
// COUNT convolutions are drawn from SEED. Of each pass and, backward, of several densities of the gradient:
// microseconds of every way there is on one thread, the rule's choice, and how much longer it takes than the
// best way. The last line has the mean and the worst of that.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/conv_sizes.h"
#include "kernels/direct/choice.h"
#include "kernels/direct/conv.h"
#include "kernels/direct/conv_sparse.h"
#include "kernels/dnnl/conv.h"
#include "sconce/base/parallel.h"

using namespace sconce;
using namespace sconce::kernels;
using direct::Loops;

namespace {

struct Way {
  Loops loops;
  std::function<Array()> run;
};

class Bench {
 public:
  Bench(std::uint32_t seed, double seconds) : random_(seed), seconds_(seconds) {}

  void convolution() {
    const std::int64_t kernel = pick({1, 3, 5, 7});
    const std::int64_t size = 6 + static_cast<std::int64_t>(random_() % 35);
    Conv2dParams params;
    params.stride = pick({1, 1, 1, 2});
    params.padding = pick({0, kernel / 2});
    const Shape image{pick({4, 32}), 1 + static_cast<std::int64_t>(random_() % 40), size, size};
    const Shape weight{1 + static_cast<std::int64_t>(random_() % 40), image[1], kernel, kernel};
    if (size + 2 * params.padding.h < kernel) return;
    const ConvSizes s = conv_sizes(image, weight, params);
    const Array x = numbers(s.image_shape(), 1);
    const Array w = numbers(s.weight_shape(), 1);
    const Array bias = numbers({s.out_channels}, 1);
    measure(s, "forward", 1, direct::forward_loops(s),
            {{Loops::kOther, [&] { return onednn::conv2d(s, x, w, bias); }},
             {Loops::kDense, [&] { return direct::conv2d(s, x, w, bias); }}});
    for (const double density : {1.0, 0.5, 0.25, 0.125}) {
      const Array g = numbers(s.output_shape(), density);
      measure(s, "input", density, direct::backward_input_loops(s, g),
              {{Loops::kOther, [&] { return onednn::conv2d_backward_input(s, g, w); }},
               {Loops::kDense, [&] { return direct::conv2d_backward_input(s, g, w); }},
               {Loops::kSparse, [&] { return direct::sparse_backward_input(s, g, w); }}});
      measure(s, "weight", density, direct::backward_weight_loops(s, g),
              {{Loops::kOther, [&] { return onednn::conv2d_backward_weight(s, g, x); }},
               {Loops::kDense, [&] { return direct::conv2d_backward_weight(s, g, x); }},
               {Loops::kSparse, [&] { return direct::sparse_backward_weight(s, g, x); }}});
    }
  }

  void summary() const {
    if (losses_.empty()) return;
    double sum = 0;
    for (const double loss : losses_) sum += std::log(loss);
    std::printf("\n%zu choices: %.3f of the best time in the geometric mean, %.2f at worst\n", losses_.size(),
                std::exp(sum / static_cast<double>(losses_.size())),
                *std::max_element(losses_.begin(), losses_.end()));
  }

 private:
  std::int64_t pick(std::vector<std::int64_t> from) { return from[random_() % from.size()]; }

  Array numbers(const Shape& shape, double density) {
    Array out = Array::empty(shape);
    std::normal_distribution<float> normal;
    std::bernoulli_distribution is_kept(density);
    for (std::int64_t i = 0; i < out.numel(); ++i) {
      const float number = normal(random_);
      out.mutable_data<float>()[i] = is_kept(random_) ? number : 0;
    }
    return out;
  }

  // The least of a way's times: what is slower was disturbed. Infinite for a way that does not do it.
  double microseconds(const std::function<Array()>& run) const {
    using Clock = std::chrono::steady_clock;
    double best = INFINITY;
    if (!run().defined()) return best;
    for (const auto begin = Clock::now();
         std::chrono::duration<double>(Clock::now() - begin).count() < seconds_;) {
      const auto start = Clock::now();
      (void)run();
      best = std::min(best, std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    return best;
  }

  void measure(const ConvSizes& s, const char* pass, double density, Loops chosen,
               const std::vector<Way>& ways) {
    const std::string shape = cat(s.batch, "x", s.in_channels, "x", s.in.h, " conv", s.out_channels, ",",
                                  s.kernel.h, ",", s.params.stride.h, ",", s.params.padding.h);
    std::printf("%-28s %-8s %5.3f ", shape.c_str(), pass, density);
    double best = INFINITY;
    double ours = INFINITY;
    for (const Way& way : ways) {
      const double time = microseconds(way.run);
      best = std::min(best, time);
      if (way.loops == chosen) ours = time;
      std::printf(" %c%s %8.1f", way.loops == chosen ? '*' : ' ', name(way.loops), time);
    }
    std::printf("  %.2f\n", ours / best);
    if (std::isfinite(ours)) losses_.push_back(ours / best);
  }

  static const char* name(Loops loops) {
    return loops == Loops::kOther ? "oneDNN" : loops == Loops::kDense ? "dense" : "sparse";
  }

  std::mt19937 random_;
  double seconds_;
  std::vector<double> losses_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto seed = static_cast<std::uint32_t>(argc > 1 ? std::atoll(argv[1]) : std::random_device()());
  const int count = argc > 2 ? std::atoi(argv[2]) : 20;
  set_num_threads(1);
  std::printf("seed %u; us of each way, * is the rule's choice, then its time over the best one's\n", seed);
  Bench bench(seed, argc > 3 ? std::atof(argv[3]) : 0.05);
  for (int i = 0; i < count; ++i) bench.convolution();
  bench.summary();
  return 0;
}
