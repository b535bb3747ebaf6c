#include "kernels/direct/pack.h"

#include <algorithm>
#include <cstring>

namespace sconce::kernels::direct {
namespace {

// The i for which i * step + first lies in [0, size), cut to [0, count).
struct Range {
  std::int64_t begin, end;
};
Range inside(std::int64_t first, std::int64_t step, std::int64_t size, std::int64_t count) {
  const std::int64_t begin = first >= 0 ? 0 : (-first + step - 1) / step;
  const std::int64_t end = first >= size ? 0 : (size - first + step - 1) / step;
  return {std::min(begin, count), std::clamp(end, std::min(begin, count), count)};
}

void pack_row(const float* row, std::int64_t first, std::int64_t step, std::int64_t size, std::int64_t count,
              float* out) {
  const Range range = inside(first, step, size, count);
  std::fill(out, out + range.begin, 0.0F);
  const std::int64_t length = range.end - range.begin;
  if (length > 0) {
    const float* from = row + range.begin * step + first;
    if (step == 1) {
      std::memcpy(out + range.begin, from, static_cast<std::size_t>(length) * sizeof(float));
    } else {
      for (std::int64_t i = 0; i < length; ++i) out[range.begin + i] = from[i * step];
    }
  }
  std::fill(out + range.end, out + count, 0.0F);
}

}  // namespace

void pack(const float* image, std::int64_t planes, const Packing& p, float* out) {
  for (std::int64_t plane = 0; plane < planes; ++plane, image += p.size.h * p.size.w) {
    for (std::int64_t a = 0; a < p.phases.h; ++a) {
      const Range rows = inside(a - p.before.h, p.step.h, p.size.h, p.count.h);
      for (std::int64_t b = 0; b < p.phases.w; ++b, out += p.plane()) {
        std::fill(out, out + rows.begin * p.count.w, 0.0F);
        for (std::int64_t j = rows.begin; j < rows.end; ++j) {
          pack_row(image + (j * p.step.h + a - p.before.h) * p.size.w, b - p.before.w, p.step.w, p.size.w,
                   p.count.w, out + j * p.count.w);
        }
        std::fill(out + rows.end * p.count.w, out + p.plane(), 0.0F);
      }
    }
  }
}

}  // namespace sconce::kernels::direct
