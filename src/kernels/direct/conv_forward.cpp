#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/direct/bands.h"
#include "kernels/direct/conv.h"
#include "kernels/direct/pack.h"
#include "kernels/direct/scratch.h"
#include "kernels/direct/tiles.h"
#include "kernels/direct/weights.h"
#include "kernels/direct/window_source.h"
#include "sconce/base/parallel.h"

namespace sconce::kernels::direct {
namespace {

struct PackedImage;
struct Sums;

}  // namespace

Array conv2d(const ConvSizes& s, const Array& image, const Array& weight, const Array& bias) {
  const Array x = image.contiguous();
  const Array w = weight.contiguous();
  const Array b = bias.defined() ? bias.contiguous() : Array::zeros({s.out_channels}, kFloat32);
  Array result = Array::empty(s.output_shape(), kFloat32);

  const std::int64_t groups = s.params.groups;
  const std::int64_t channels = s.group_out();
  const std::int64_t terms = s.group_in() * s.kernel.h * s.kernel.w;
  const Bands bands = image_bands(s);
  const WindowSource source = window_source(s, bands.rows);
  const std::vector<float> weights = transposed(w.data<float>(), groups, channels, terms);

  const std::int64_t count = (bands.rows - 1) * source.packing.count.w + s.out.w;
  const std::int64_t stride = count + kSlack;
  const float* pixels = x.data<float>();
  float* out = result.mutable_data<float>();
  const std::int64_t units = s.batch * groups * bands.count;
  parallel_for(units, unit_grain(s, units), [&](std::int64_t begin, std::int64_t end) {
    float* packed = scratch<PackedImage>(source.size);
    float* sums = scratch<Sums>(channels * stride);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t plane = unit / bands.count;  // of groups
      const std::int64_t group = plane % groups;
      const Band band = bands.at(unit % bands.count);
      source.pack(pixels + plane * s.group_in() * s.in.h * s.in.w, band.first, packed);
      correlate({packed, source.offsets.data(), terms, weights.data() + group * terms * channels,
                 b.data<float>() + group * channels, channels, sums, stride,
                 (band.rows - 1) * source.packing.count.w + s.out.w});
      for (std::int64_t c = 0; c < channels; ++c) {
        float* target = out + ((plane * channels + c) * s.out.h + band.first) * s.out.w;
        for (std::int64_t y = 0; y < band.rows; ++y) {
          std::memcpy(target + y * s.out.w, sums + c * stride + y * source.packing.count.w,
                      static_cast<std::size_t>(s.out.w) * sizeof(float));
        }
      }
    }
  });
  return result;
}

}  // namespace sconce::kernels::direct
