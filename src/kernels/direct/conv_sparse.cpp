#include "kernels/direct/conv_sparse.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "kernels/direct/bands.h"
#include "kernels/direct/pixels.h"
#include "kernels/direct/scratch.h"
#include "kernels/direct/sparse_tiles.h"
#include "sconce/base/parallel.h"

namespace sconce::kernels::direct {
namespace {

struct Image;
struct Values;
struct Places;
struct GradPixels;

// weight (O, C / groups, KH, KW) as groups x group_out x runs.
std::vector<float> weights_in_runs(const ConvSizes& s, const Runs& runs, const float* weight) {
  const std::int64_t numel = s.group_in() * s.kernel.h * s.kernel.w;
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(s.out_channels) * runs.weights.size());
  for (std::int64_t o = 0; o < s.out_channels; ++o, weight += numel) {
    for (const std::int64_t i : runs.weights) out.push_back(i >= 0 ? weight[i] : 0.0F);
  }
  return out;
}

}  // namespace

Array sparse_backward_weight(const ConvSizes& s, const Array& grad, const Array& image) {
  const Array x = image.contiguous();
  const Array g = grad.contiguous();
  const std::int64_t groups = s.params.groups;
  const std::int64_t channels = s.group_out();
  const std::int64_t lanes = vector_lanes();
  const Pixels pixels = pixels_of(s);
  const Runs runs = runs_of(s, pixels, lanes);

  constexpr std::int64_t kChunkBytes = 128 << 10;
  const std::int64_t image_bytes = pixels.numel() * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t per_chunk =
      std::clamp<std::int64_t>(kChunkBytes / image_bytes, 1, std::max<std::int64_t>(s.batch, 1));
  const std::int64_t chunks = (s.batch + per_chunk - 1) / per_chunk;
  const std::int64_t plane = s.out.h * s.out.w;
  std::vector<std::int32_t> place_of;
  for (std::int64_t y = 0; y < s.out.h; ++y) {
    for (std::int64_t i = 0; i < s.out.w; ++i)
      place_of.push_back(static_cast<std::int32_t>(pixels.place(y, i)));
  }
  const std::int64_t numel = channels * runs.vectors() * lanes;
  std::vector<float> parts(static_cast<std::size_t>(groups * chunks * numel));
  const float* images = x.data<float>();
  const float* grads = g.data<float>();
  parallel_for(groups * chunks, unit_grain(s, groups * chunks), [&](std::int64_t begin, std::int64_t end) {
    float* packed = scratch<Image>(per_chunk * pixels.numel() + kSlack);
    float* values = scratch<Values>(per_chunk * plane + kSlack);
    std::int32_t* places = scratch<Places, std::int32_t>(per_chunk * plane + kSlack);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t group = unit / chunks;
      const std::int64_t first = unit % chunks * per_chunk;
      const std::int64_t count = std::min(per_chunk, s.batch - first);
      for (std::int64_t n = 0; n < count; ++n) {
        pixels.pack(images + ((first + n) * groups + group) * s.group_in() * s.in.h * s.in.w,
                    packed + n * pixels.numel());
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        std::int64_t found = 0;
        for (std::int64_t n = 0; n < count; ++n) {
          const float* plane_grad = grads + (((first + n) * groups + group) * channels + c) * plane;
          found += append_nonzeros(plane_grad, plane, static_cast<std::int32_t>(n * pixels.numel()),
                                   place_of.data(), places + found, values + found);
        }
        sum_runs({packed, places, values, found, runs.offsets.data(), runs.vectors(),
                  parts.data() + unit * numel + c * runs.vectors() * lanes});
      }
    }
  });

  Array out = Array::zeros(s.weight_shape(), kFloat32);
  const std::int64_t weight_numel = s.group_in() * s.kernel.h * s.kernel.w;
  float* target = out.mutable_data<float>();
  for (std::int64_t o = 0; o < s.out_channels; ++o, target += weight_numel) {
    const float* part =
        parts.data() + (o / channels * chunks * channels + o % channels) * runs.vectors() * lanes;
    for (std::size_t i = 0; i < runs.weights.size(); ++i) {
      if (runs.weights[i] < 0) continue;
      double sum = 0;
      for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
        sum += part[chunk * numel + static_cast<std::int64_t>(i)];
      target[runs.weights[i]] = static_cast<float>(sum);
    }
  }
  return out;
}

Array sparse_backward_input(const ConvSizes& s, const Array& grad, const Array& weight) {
  const Array g = grad.contiguous();
  const Array w = weight.contiguous();
  const std::int64_t groups = s.params.groups;
  const std::int64_t channels = s.group_out();
  const std::int64_t lanes = vector_lanes();
  const Pixels pixels = pixels_of(s);
  const Runs runs = runs_of(s, pixels, lanes);
  const std::vector<float> weights = weights_in_runs(s, runs, w.data<float>());
  const std::int64_t plane = s.out.h * s.out.w;
  const std::int64_t grad_stride = round_up(channels, lanes);
  Array out = Array::empty(s.image_shape(), kFloat32);
  const float* grads = g.data<float>();
  float* target = out.mutable_data<float>();
  const std::int64_t units = s.batch * groups;
  std::atomic<bool> finite = true;
  parallel_for(units, unit_grain(s, units), [&](std::int64_t begin, std::int64_t end) {
    float* packed = scratch<Image>(pixels.numel() + kSlack);
    float* by_pixel = scratch<GradPixels>(plane * grad_stride);
    std::fill(by_pixel, by_pixel + plane * grad_stride, 0.0F);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const float* from = grads + unit * channels * plane;
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t i = 0; i < plane; ++i) by_pixel[i * grad_stride + c] = *from++;
      }
      std::fill(packed, packed + pixels.numel() + kSlack, 0.0F);
      for (std::int64_t y = 0; y < s.out.h; ++y) {
        const bool usable =
            spread({by_pixel + y * s.out.w * grad_stride, grad_stride, s.out.w,
                    weights.data() + unit % groups * channels * runs.vectors() * lanes, runs.offsets.data(),
                    runs.vectors(), packed + pixels.place(y, 0), pixels.place(0, 1)});
        if (!usable) {
          finite = false;
          return;
        }
      }
      pixels.unpack(packed, target + unit * s.group_in() * s.in.h * s.in.w);
    }
  });
  return finite ? out : Array();
}

}  // namespace sconce::kernels::direct
