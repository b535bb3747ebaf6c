#include <algorithm>
#include <vector>

#include "kernels/direct/bands.h"
#include "kernels/direct/conv.h"
#include "kernels/direct/pack.h"
#include "kernels/direct/scratch.h"
#include "kernels/direct/tiles.h"
#include "sconce/base/parallel.h"

// A place of the padded image is i * step + phase. In one direction tap k touches the places whose phase is
// k * dilation % step, and to place i it brings the gradient of output i - k * dilation / step: so every
// phase is a convolution of its own, without a stride, of the gradient with its taps.

namespace sconce::kernels::direct {
namespace {

struct PackedGrad;
struct Sums;

// One phase in one direction.
struct Phase {
  std::vector<std::int64_t> taps;    // which k
  std::vector<std::int64_t> behind;  // k * dilation / step of each
  std::int64_t first, end;           // its places i that lie in the image
  std::int64_t pixel;                // of place 0, may be negative: place i is pixel + i * step
};

std::vector<Phase> phases_of(std::int64_t size, std::int64_t kernel, std::int64_t step, std::int64_t padding,
                             std::int64_t dilation) {
  std::vector<Phase> phases;
  for (std::int64_t a = 0; a < step; ++a) {
    const auto places_before = [&](std::int64_t place) {
      return place <= a ? 0 : (place - a + step - 1) / step;
    };
    Phase phase{{}, {}, places_before(padding), places_before(padding + size), a - padding};
    for (std::int64_t k = 0; k < kernel; ++k) {
      if (k * dilation % step != a) continue;
      phase.taps.push_back(k);
      phase.behind.push_back(k * dilation / step);
    }
    phases.push_back(std::move(phase));
  }
  return phases;
}

// The taps of a pair of phases as offsets into the packed gradient, and their weights.
struct PhasePair {
  const Phase* y;
  const Phase* x;
  std::vector<std::int64_t> offsets;  // group_out x taps
  std::vector<float> weights;         // groups x group_out x taps x group_in
};

}  // namespace

Array conv2d_backward_input(const ConvSizes& s, const Array& grad, const Array& weight) {
  const Array g = grad.contiguous();
  const Array w = weight.contiguous();
  const Conv2dParams& p = s.params;
  const std::int64_t groups = p.groups;
  const std::int64_t channels = s.group_in();
  const std::vector<Phase> rows = phases_of(s.in.h, s.kernel.h, p.stride.h, p.padding.h, p.dilation.h);
  const std::vector<Phase> columns = phases_of(s.in.w, s.kernel.w, p.stride.w, p.padding.w, p.dilation.w);
  const auto extent = [](const std::vector<Phase>& phases) {
    std::int64_t first = phases[0].first;
    std::int64_t end = phases[0].end;
    for (const Phase& phase : phases) {
      first = std::min(first, phase.first);
      end = std::max(end, phase.end);
    }
    return Band{first, end - first};
  };
  const Band all_rows = extent(rows);
  const Band all_columns = extent(columns);
  // The furthest a tap looks back.
  const Pair back{(s.kernel.h - 1) * p.dilation.h / p.stride.h, (s.kernel.w - 1) * p.dilation.w / p.stride.w};

  Packing packing;
  packing.size = s.out;
  packing.count.w = all_columns.rows + back.w;
  packing.before = {back.h - all_rows.first, back.w - all_columns.first};
  const Bands bands = bands_of(
      all_rows.rows, (s.group_out() + channels) * packing.count.w * static_cast<std::int64_t>(sizeof(float)));
  packing.count.h = bands.rows + back.h;

  std::vector<PhasePair> pairs;
  const float* from = w.data<float>();
  for (const Phase& y : rows) {
    for (const Phase& x : columns) {
      PhasePair pair{&y, &x, {}, {}};
      for (std::int64_t o = 0; o < s.group_out(); ++o) {
        for (const std::int64_t ky : y.behind) {
          for (const std::int64_t kx : x.behind) {
            pair.offsets.push_back(o * packing.plane() + (back.h - ky) * packing.count.w + back.w - kx);
          }
        }
      }
      for (std::int64_t o = 0; o < s.out_channels; ++o) {
        for (const std::int64_t ky : y.taps) {
          for (const std::int64_t kx : x.taps) {
            for (std::int64_t c = 0; c < channels; ++c) {
              pair.weights.push_back(from[((o * channels + c) * s.kernel.h + ky) * s.kernel.w + kx]);
            }
          }
        }
      }
      pairs.push_back(std::move(pair));
    }
  }

  Array result = Array::empty(s.image_shape(), kFloat32);
  const std::vector<float> no_bias(static_cast<std::size_t>(channels));
  const std::int64_t packed_size = s.group_out() * packing.plane() + kSlack;
  const std::int64_t stride = bands.rows * packing.count.w + kSlack;
  const float* grads = g.data<float>();
  float* out = result.mutable_data<float>();
  const std::int64_t units = s.batch * groups * bands.count;
  parallel_for(units, unit_grain(s, units), [&](std::int64_t begin, std::int64_t end) {
    float* packed = scratch<PackedGrad>(packed_size);
    float* sums = scratch<Sums>(channels * stride);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t plane = unit / bands.count;  // of groups
      const Band band = bands.at(unit % bands.count);
      const std::int64_t top = all_rows.first + band.first;  // the band's first place
      Packing moved = packing;
      moved.before.h -= band.first;
      pack(grads + plane * s.group_out() * s.out.h * s.out.w, s.group_out(), moved, packed);
      for (const PhasePair& pair : pairs) {
        const std::int64_t first = std::max(pair.y->first, top);
        const std::int64_t last = std::min(pair.y->end, top + band.rows);
        const std::int64_t width = pair.x->end - pair.x->first;
        if (first >= last || width <= 0) continue;
        const auto terms = static_cast<std::int64_t>(pair.offsets.size());
        correlate({packed + (first - top) * packing.count.w + pair.x->first - all_columns.first,
                   pair.offsets.data(), terms, pair.weights.data() + plane % groups * terms * channels,
                   no_bias.data(), channels, sums, stride, (last - first - 1) * packing.count.w + width});
        for (std::int64_t c = 0; c < channels; ++c) {
          float* target = out + (plane * channels + c) * s.in.h * s.in.w;
          for (std::int64_t i = first; i < last; ++i) {
            const float* row = sums + c * stride + (i - first) * packing.count.w;
            float* to = target + (pair.y->pixel + i * p.stride.h) * s.in.w + pair.x->pixel +
                        pair.x->first * p.stride.w;
            for (std::int64_t j = 0; j < width; ++j) to[j * p.stride.w] = row[j];
          }
        }
      }
    }
  });
  return result;
}

}  // namespace sconce::kernels::direct
