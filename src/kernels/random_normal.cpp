#include <bit>
#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/memory_order.h"
#include "kernels/multiversion.h"
#include "kernels/random_dtype.h"
#include "sconce/kernels/random.h"

namespace sconce::kernels {
namespace {

constexpr std::int64_t kBlock = 16;  // Box-Muller pairs element j with element j + 8
constexpr std::int64_t kHalf = 8;

// Natural logarithm of x > 0: the Cephes polynomial with the multiply-adds that PyTorch's AVX2 kernel fuses
// (aten/src/ATen/native/cpu/avx_mathfun.h).
SCONCE_ALWAYS_INLINE inline float cephes_log(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  float e = static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 126);
  float m = std::bit_cast<float>((bits & 0x007FFFFFU) | 0x3F000000U);  // in [0.5, 1)
  const bool is_small = m < 0.707106781186547524F;
  const float reduced = m - 1.0F;
  e = is_small ? e - 1.0F : e;
  m = is_small ? reduced + m : reduced;
  const float z = m * m;
  float y = 7.0376836292E-2F;
  y = std::fma(y, m, -1.1514610310E-1F);
  y = std::fma(y, m, 1.1676998740E-1F);
  y = std::fma(y, m, -1.2420140846E-1F);
  y = std::fma(y, m, 1.4249322787E-1F);
  y = std::fma(y, m, -1.6668057665E-1F);
  y = std::fma(y, m, 2.0000714765E-1F);
  y = std::fma(y, m, -2.4999993993E-1F);
  y = std::fma(y, m, 3.3333331174E-1F);
  y = y * m;
  y = std::fma(y, z, e * -2.12194440E-4F);
  y = std::fma(z, -0.5F, y);
  return std::fma(e, 0.693359375F, m + y);
}

// Sine and cosine of x >= 0, from the same file.
SCONCE_ALWAYS_INLINE inline void cephes_sincos(float x, float& sine, float& cosine) {
  const std::int32_t octant = (static_cast<std::int32_t>(x * 1.27323954473516F) + 1) & ~1;
  const auto q = static_cast<float>(octant);
  x = std::fma(q, -0.78515625F, x);
  x = std::fma(q, -2.4187564849853515625E-4F, x);
  x = std::fma(q, -3.77489497744594108E-8F, x);
  const float z = x * x;
  float c = 2.443315711809948E-5F;
  c = std::fma(c, z, -1.388731625493765E-3F);
  c = std::fma(c, z, 4.166664568298827E-2F);
  c = c * z;
  c = std::fma(c, z, -(z * 0.5F));
  c = c + 1.0F;
  float s = -1.9515295891E-4F;
  s = std::fma(s, z, 8.3321608736E-3F);
  s = std::fma(s, z, -1.6666654611E-1F);
  s = s * z;
  s = std::fma(s, x, x);
  const bool swapped = (octant & 2) != 0;
  const float sine_size = swapped ? c : s;
  const float cosine_size = swapped ? s : c;
  sine = (octant & 4) != 0 ? -sine_size : sine_size;
  cosine = (~(octant - 2) & 4) != 0 ? -cosine_size : cosine_size;
}

// Turns 16 uniforms into 16 normals in place.
SCONCE_ALWAYS_INLINE inline void box_muller(float* data, float mean, float std) {
  float radius[kHalf];
  float sine[kHalf];
  float cosine[kHalf];
  for (std::int64_t j = 0; j < kHalf; ++j) radius[j] = -2.0F * cephes_log(1.0F - data[j]);
  for (std::int64_t j = 0; j < kHalf; ++j) radius[j] = std::sqrt(radius[j]);
  for (std::int64_t j = 0; j < kHalf; ++j) {
    cephes_sincos(static_cast<float>(2.0 * std::numbers::pi) * data[j + kHalf], sine[j], cosine[j]);
  }
  for (std::int64_t j = 0; j < kHalf; ++j) {
    data[j] = std::fma(radius[j] * cosine[j], std, mean);
    data[j + kHalf] = std::fma(radius[j] * sine[j], std, mean);
  }
}

SCONCE_ALWAYS_INLINE inline void box_muller(double* data, double mean, double std) {
  for (std::int64_t j = 0; j < kHalf; ++j) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - data[j]));
    const double angle = 2.0 * std::numbers::pi * data[j + kHalf];
    data[j] = std::fma(radius * std::cos(angle), std, mean);
    data[j + kHalf] = std::fma(radius * std::sin(angle), std, mean);
  }
}

// count >= 16 dense elements: the uniforms of the first `drawn` elements, then whole blocks. A tail draws 16
// new uniforms into the last 16 elements, over values that are finished, because that is what PyTorch does.
template <class T>
void normal_blocks(T* out, std::int64_t count, std::int64_t drawn, T mean, T std, Generator& generator) {
  for (std::int64_t i = 0; i < drawn; ++i) out[i] = draw_uniform<T>(generator);
  multiversion([=]() SCONCE_ALWAYS_INLINE {
    for (std::int64_t i = 0; i + kBlock <= count; i += kBlock) box_muller(out + i, mean, std);
  });
  if (count % kBlock == 0) return;
  T* const tail = out + count - kBlock;
  for (std::int64_t i = 0; i < kBlock; ++i) tail[i] = draw_uniform<T>(generator);
  multiversion([=]() SCONCE_ALWAYS_INLINE { box_muller(tail, mean, std); });
}

}  // namespace

void normal(Array& out, double mean, double std, Generator& generator) {
  require(std >= 0, ErrorCode::kInvalidArgument, "normal",
          "expected a standard deviation of 0 or more, found ", std);
  visit_drawn_dtype(out.dtype(), "normal", [&]<class T>(std::type_identity<T>) {
    const std::int64_t count = out.numel();
    if (count == 0) return;
    T* const first = out.mutable_data<T>();
    if (count < kBlock || !out.is_contiguous()) {
      for_each_run(out.geometry(), "normal", [&](std::int64_t begin, std::int64_t step, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) {
          first[begin + i * step] = to_drawn<T>(std::fma(generator.normal(), std, mean));
        }
      });
    } else if constexpr (std::is_floating_point_v<T>) {
      normal_blocks(first, count, count, static_cast<T>(mean), static_cast<T>(std), generator);
    } else {
      // Half precision draws no uniforms for the incomplete block that the tail writes anyway.
      const std::int64_t whole = count - count % kBlock;
      std::vector<float> wide(static_cast<std::size_t>(count));
      normal_blocks(wide.data(), count, whole, static_cast<float>(mean), static_cast<float>(std), generator);
      for (std::int64_t i = 0; i < count; ++i) first[i] = T(wide[static_cast<std::size_t>(i)]);
    }
  });
}

}  // namespace sconce::kernels
