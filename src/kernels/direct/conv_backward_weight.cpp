#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/direct/bands.h"
#include "kernels/direct/conv.h"
#include "kernels/direct/pack.h"
#include "kernels/direct/scratch.h"
#include "kernels/direct/tiles.h"
#include "kernels/direct/window_source.h"
#include "sconce/base/parallel.h"

namespace sconce::kernels::direct {
namespace {

struct PackedImages;
struct PackedGrads;

// Packed pieces that are multiplied in one go: sums stay in registers over all of them, and the second level
// of the cache holds them.
constexpr std::int64_t kChunkBytes = 256 << 10;

// `grad` of an image's group from output row `first` on, in rows as wide as the source's; zeros elsewhere.
void pack_grad(const ConvSizes& s, const WindowSource& source, const float* grad, std::int64_t first,
               std::int64_t rows, std::int64_t stride, float* out) {
  Packing packing;
  packing.size = s.out;
  packing.before = {-first, 0};
  packing.count = {rows, source.packing.count.w};
  for (std::int64_t c = 0; c < s.group_out(); ++c, out += stride) {
    pack(grad + c * s.out.h * s.out.w, 1, packing, out);
    std::fill(out + packing.plane(), out + stride, 0.0F);
  }
}

}  // namespace

Array conv2d_backward_weight(const ConvSizes& s, const Array& grad, const Array& image) {
  const Array x = image.contiguous();
  const Array g = grad.contiguous();
  const std::int64_t groups = s.params.groups;
  const std::int64_t channels = s.group_out();
  const std::int64_t terms = s.group_in() * s.kernel.h * s.kernel.w;
  const Bands bands = image_bands(s);
  const WindowSource source = window_source(s, bands.rows);
  const std::int64_t width = source.packing.count.w;
  const std::int64_t stride = round_up(bands.rows * width, kCountStep);
  const std::int64_t pieces = s.batch * bands.count;  // of each group
  const std::int64_t piece_bytes =
      (source.size + channels * stride) * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t per_chunk =
      std::clamp<std::int64_t>(kChunkBytes / piece_bytes, 1, std::max<std::int64_t>(pieces, 1));
  const std::int64_t chunks = (pieces + per_chunk - 1) / per_chunk;

  const std::int64_t numel = channels * terms;  // of one group's weight
  std::vector<float> parts(static_cast<std::size_t>(groups * chunks * numel));
  const float* pixels = x.data<float>();
  const float* grads = g.data<float>();
  parallel_for(groups * chunks, unit_grain(s, groups * chunks), [&](std::int64_t begin, std::int64_t end) {
    float* packed = scratch<PackedImages>(per_chunk * source.size);
    float* packed_grad = scratch<PackedGrads>(per_chunk * channels * stride);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t group = unit / chunks;
      const std::int64_t first = unit % chunks * per_chunk;
      const std::int64_t count = std::min(per_chunk, pieces - first);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t plane = (first + i) / bands.count * groups + group;
        const Band band = bands.at((first + i) % bands.count);
        source.pack(pixels + plane * s.group_in() * s.in.h * s.in.w, band.first, packed + i * source.size);
        pack_grad(s, source, grads + plane * channels * s.out.h * s.out.w, band.first, bands.rows, stride,
                  packed_grad + i * channels * stride);
      }
      sum_products({packed, source.size, source.offsets.data(), terms, packed_grad, channels * stride, stride,
                    channels, count, round_up((bands.rows - 1) * width + s.out.w, kCountStep),
                    parts.data() + unit * numel});
    }
  });

  Array out = Array::empty(s.weight_shape(), kFloat32);
  float* target = out.mutable_data<float>();
  bool finite = true;
  for (std::int64_t group = 0; group < groups; ++group) {
    const float* part = parts.data() + group * chunks * numel;
    for (std::int64_t i = 0; i < numel; ++i) {
      double sum = 0;
      for (std::int64_t chunk = 0; chunk < chunks; ++chunk) sum += part[chunk * numel + i];
      target[group * numel + i] = static_cast<float>(sum);
      finite = finite && std::isfinite(target[group * numel + i]);
    }
  }
  return finite ? out : Array();
}

}  // namespace sconce::kernels::direct
