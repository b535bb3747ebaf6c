#include "kernels/direct/choice.h"

#include <algorithm>
#include <cmath>

#include "kernels/direct/sparse_tiles.h"
#include "kernels/isa.h"

namespace sconce::kernels::direct {
namespace {

// Beyond these sizes nothing was measured, and packed images would not fit the cache.
bool is_small(const ConvSizes& s) {
  constexpr std::int64_t kMostChannels = 64;
  constexpr std::int64_t kLargestKernel = 11;
  constexpr std::int64_t kLargestImage = 1 << 18;  // floats of one packed image or output
  return isa() != Isa::kPlain && s.params.groups == 1 && s.in_channels <= kMostChannels &&
         s.out_channels <= kMostChannels && s.kernel.h <= kLargestKernel && s.kernel.w <= kLargestKernel &&
         s.in_channels * (s.in.h + 2 * s.params.padding.h) * (s.in.w + 2 * s.params.padding.w) <=
             kLargestImage &&
         s.out_channels * s.out.h * s.out.w <= kLargestImage;
}

// The share of a gradient that is not zero, by a sample of it.
double density(const Array& grad) {
  constexpr std::int64_t kSamples = 1024;
  if (!grad.is_contiguous() || grad.numel() == 0) return 1;
  const std::int64_t step = grad.numel() / kSamples | 1;  // odd: not in step with rows and windows
  const float* g = grad.data<float>();
  std::int64_t samples = 0;
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < grad.numel(); i += step, ++samples) found += g[i] != 0;
  return static_cast<double>(found) / static_cast<double>(samples);
}

// Cycles of each kind of work, fitted to measurements of 500 drawn convolutions and four densities
// (bench/convolutions.cpp draws such). Vectors are those of multiplications, numbers those that are packed,
// unpacked or looked at.
struct Factors {
  double dense, dense_out, dense_in;  // a vector; a number of the result, of the image
  double onednn, onednn_number;
  double dense_weight, dense_weight_out, dense_weight_in;
  double dense_input, dense_input_out, dense_input_in;
  double sparse_weight, sparse_weight_far, sparse_out,
      sparse_in;  // far: the image does not stay in the cache
  // A pixel whose number of gradients the processor guesses wrong; a run; a vector.
  double sparse_guess, sparse_run, sparse_input, sparse_input_far, sparse_input_number;
  double onednn_few, onednn_some, onednn_many;  // by channels of the image: see below
  double onednn_input, onednn_input_number;
};
constexpr Factors kAvx512{.dense = 0.70,
                          .dense_out = 1.0,
                          .dense_in = 2.5,
                          .onednn = 0.55,
                          .onednn_number = 1.0,
                          .dense_weight = 0.95,
                          .dense_weight_out = 1.4,
                          .dense_weight_in = 3.7,
                          .dense_input = 0.48,
                          .dense_input_out = 3.4,
                          .dense_input_in = 1.4,
                          .sparse_weight = 1.8,
                          .sparse_weight_far = 0.23,
                          .sparse_out = 0.73,
                          .sparse_in = 1.5,
                          .sparse_guess = 23,
                          .sparse_run = 2.7,
                          .sparse_input = 1.6,
                          .sparse_input_far = 1.1,
                          .sparse_input_number = 2.0,
                          .onednn_few = 0.52,
                          .onednn_some = 1.06,
                          .onednn_many = 0.57,
                          .onednn_input = 0.51,
                          .onednn_input_number = 1.6};
constexpr Factors kAvx2{.dense = 0.75,
                        .dense_out = 0.67,
                        .dense_in = 2.8,
                        .onednn = 0.32,
                        .onednn_number = 1.1,
                        .dense_weight = 0.88,
                        .dense_weight_out = 1.3,
                        .dense_weight_in = 3.2,
                        .dense_input = 0.35,
                        .dense_input_out = 5.3,
                        .dense_input_in = 1.7,
                        .sparse_weight = 1.17,
                        .sparse_weight_far = 0.06,
                        .sparse_out = 12.3,
                        .sparse_in = 1.4,
                        .sparse_guess = 35,
                        .sparse_run = 2.3,
                        .sparse_input = 1.1,
                        .sparse_input_far = 0.2,
                        .sparse_input_number = 2.1,
                        .onednn_few = 0.28,
                        .onednn_some = 0.52,
                        .onednn_many = 0.37,
                        .onednn_input = 0.29,
                        .onednn_input_number = 2.7};

// About how many cycles an image takes.
struct Costs {
  static constexpr double kCache = 32768;  // bytes of the first cache that are there to be used
  double in, out, taps, lanes;
  double in_numbers, out_numbers, out_plane, vectors;
  double moved;  // numbers that oneDNN brings into its own order and back
  bool is_image_far, are_weights_far;
  const Factors& by;

  explicit Costs(const ConvSizes& s)
      : in(static_cast<double>(s.in_channels)),
        out(static_cast<double>(s.out_channels)),
        taps(static_cast<double>(s.kernel.h * s.kernel.w)),
        lanes(static_cast<double>(vector_lanes())),
        in_numbers(in * static_cast<double>(s.in.h * s.in.w)),
        out_numbers(out * static_cast<double>(s.out.h * s.out.w)),
        out_plane(static_cast<double>(s.out.h * s.out.w)),
        by(isa() == Isa::kAvx512 ? kAvx512 : kAvx2) {
    const std::int64_t together = s.params.dilation.w == 1 ? s.kernel.w : 1;
    const std::int64_t runs = s.kernel.h * (s.kernel.w / together);
    const std::int64_t each = (together * s.in_channels + vector_lanes() - 1) / vector_lanes();
    vectors = static_cast<double>(runs * each);
    is_image_far = in_numbers * sizeof(float) > kCache;
    // Of kernels of one pixel that is most of the work, and of large batches it goes through memory.
    moved = (in_numbers + out_numbers) * (taps == 1 ? 4 : 1);
    are_weights_far = out * vectors * lanes * sizeof(float) > kCache;
  }

  double dense() const {
    return by.dense * in * taps * out_numbers / lanes + by.dense_out * out_numbers + by.dense_in * in_numbers;
  }
  double onednn() const {
    return by.onednn * in * whole(out, lanes) * taps * out_plane / lanes + by.onednn_number * moved;
  }
  double dense_input() const {
    return by.dense_input * out * taps * in_numbers / lanes + by.dense_input_out * out_numbers +
           by.dense_input_in * in_numbers;
  }
  double dense_weight() const {
    return by.dense_weight * in * taps * out_numbers / lanes + by.dense_weight_out * out_numbers +
           by.dense_weight_in * in_numbers;
  }
  double sparse_input(double density) const {
    const double each = by.sparse_input + (are_weights_far ? by.sparse_input_far : 0);
    const double deviation = std::sqrt(out * density * (1 - density));  // of the number at a pixel
    return out_plane * (by.sparse_guess * deviation + vectors * (by.sparse_run + density * out * each)) +
           by.sparse_input_number * (in_numbers + out_numbers);
  }
  double sparse_weight(double density) const {
    const double each = by.sparse_weight + (is_image_far ? by.sparse_weight_far : 0);
    return density * out_numbers * vectors * each + by.sparse_out * out_numbers + by.sparse_in * in_numbers;
  }
  // oneDNN computes channels in whole vectors.
  double onednn_input() const {
    return by.onednn_input * whole(in, lanes) * whole(out, lanes) * taps * out_plane / lanes +
           by.onednn_input_number * moved;
  }
  // It takes up to three planes as they are; up to a vector of AVX-512 only its code for AVX2 is there.
  double onednn_weight() const {
    constexpr double kFew = 3;
    constexpr double kSome = 16;
    const double steps = taps * out_plane / lanes;
    const double compute = in <= kFew   ? by.onednn_few * in * whole(out, lanes)
                           : in < kSome ? by.onednn_some * whole(in, 8) * whole(out, 8)
                                        : by.onednn_many * whole(in, lanes) * whole(out, lanes);
    return compute * steps + by.onednn_number * moved;
  }

 private:
  static double whole(double channels, double lanes) { return std::ceil(channels / lanes) * lanes; }
};

// The cheapest of the three.
Loops cheapest(double onednn, double dense, double sparse) {
  if (sparse < std::min(dense, onednn)) return Loops::kSparse;
  return dense < onednn ? Loops::kDense : Loops::kOther;
}

}  // namespace

Loops forward_loops(const ConvSizes& s) {
  if (!is_small(s)) return Loops::kOther;
  const Costs costs(s);
  return costs.dense() < costs.onednn() ? Loops::kDense : Loops::kOther;
}

Loops backward_input_loops(const ConvSizes& s, const Array& grad) {
  if (!is_small(s)) return Loops::kOther;
  const Costs costs(s);
  return cheapest(costs.onednn_input(), costs.dense_input(), costs.sparse_input(density(grad)));
}

Loops backward_weight_loops(const ConvSizes& s, const Array& grad) {
  if (!is_small(s)) return Loops::kOther;
  const Costs costs(s);
  return cheapest(costs.onednn_weight(), costs.dense_weight(), costs.sparse_weight(density(grad)));
}

}  // namespace sconce::kernels::direct
