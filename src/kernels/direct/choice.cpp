#include "kernels/direct/choice.h"

#include <algorithm>

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

// oneDNN computes channels in whole vectors: where a quarter or more of that is for nothing, these loops are
// faster.
bool fills_vectors(std::int64_t channels) {
  const std::int64_t lanes = vector_lanes();
  const std::int64_t computed = (channels + lanes - 1) / lanes * lanes;
  return channels * 4 > computed * 3;
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

// About how many cycles an image takes: terms and factors are fitted to measurements of
// bench/convolutions.cpp.
struct Costs {
  double in_plane, out_plane, in, out, taps, vectors, lanes;

  explicit Costs(const ConvSizes& s)
      : in_plane(static_cast<double>(s.in.h * s.in.w)),
        out_plane(static_cast<double>(s.out.h * s.out.w)),
        in(static_cast<double>(s.in_channels)),
        out(static_cast<double>(s.out_channels)),
        taps(static_cast<double>(s.kernel.h * s.kernel.w)),
        lanes(static_cast<double>(vector_lanes())) {
    const std::int64_t together = s.params.dilation.w == 1 ? s.kernel.w : 1;
    const std::int64_t runs = s.kernel.h * (s.kernel.w / together);
    const std::int64_t each = (together * s.in_channels + vector_lanes() - 1) / vector_lanes();
    vectors = static_cast<double>(runs * each);
  }

  double dense_input() const { return 1.2 * in * out * taps * in_plane / lanes; }
  double dense_weight() const { return 2 * in * out * taps * out_plane / lanes; }
  double onednn() const { return 1.1 * in * out * taps * out_plane / lanes; }
  // Every number that is packed or unpacked costs about a cycle.
  double sparse_input(double density) const {
    return out_plane * (60 + vectors * (3 + density * out)) + 1.2 * (out * out_plane + in * in_plane);
  }
  double sparse_weight(double density) const {
    return density * out * out_plane * (6 + 1.5 * vectors) + 0.8 * out * out_plane + 1.2 * in * in_plane;
  }
};

}  // namespace

Loops forward_loops(const ConvSizes& s) {
  return is_small(s) && !fills_vectors(s.out_channels) ? Loops::kDense : Loops::kOther;
}

Loops backward_input_loops(const ConvSizes& s, const Array& grad) {
  if (!is_small(s)) return Loops::kOther;
  const Costs costs(s);
  const bool filled = fills_vectors(s.in_channels);
  if (costs.sparse_input(density(grad)) < (filled ? costs.onednn() : costs.dense_input()))
    return Loops::kSparse;
  return filled ? Loops::kOther : Loops::kDense;
}

Loops backward_weight_loops(const ConvSizes& s, const Array& grad) {
  if (!is_small(s)) return Loops::kOther;
  const Costs costs(s);
  const bool filled = fills_vectors(s.out_channels);
  if (costs.sparse_weight(density(grad)) < (filled ? costs.onednn() : costs.dense_weight()))
    return Loops::kSparse;
  return filled ? Loops::kOther : Loops::kDense;
}

}  // namespace sconce::kernels::direct
