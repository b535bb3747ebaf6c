#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <limits>

#include "kernels/memory_order.h"
#include "kernels/multiversion.h"
#include "kernels/random_dtype.h"
#include "sconce/kernels/random.h"

namespace sconce::kernels {
namespace {

// fma(u, high - low, low), with the difference rounded first.
template <std::floating_point T>
void uniform_run(T* out, std::int64_t step, std::int64_t count, T low, T high, Generator& generator) {
  constexpr std::int64_t kBlock = 1024;
  std::array<T, kBlock> block;
  T* const values = block.data();
  const T width = high - low;
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, count - begin);
    for (std::int64_t i = 0; i < n; ++i) values[i] = draw_uniform<T>(generator);
    T* const target = out + begin * step;
    multiversion([=]() SCONCE_ALWAYS_INLINE {
      for (std::int64_t i = 0; i < n; ++i) target[i * step] = std::fma(values[i], width, low);
    });
  }
}

// Half precision is drawn in float32; a value that rounds up to the open end becomes the closed one.
template <class T>
requires(!std::floating_point<T>) void uniform_run(T* out, std::int64_t step, std::int64_t count, float low,
                                                   float high, Generator& generator) {
  const T first(low);
  const T end(high);
  for (std::int64_t i = 0; i < count; ++i) {
    const T value(std::fma(generator.uniform24(), high - low, low));
    out[i * step] = value.bits == end.bits ? first : value;
  }
}

}  // namespace

void uniform(Array& out, double low, double high, Generator& generator) {
  visit_drawn_dtype(out.dtype(), "uniform", [&]<class T>(std::type_identity<T>) {
    using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const double limit = largest<T>();
    require(low >= -limit && low <= high && high <= limit && high - low <= limit, ErrorCode::kInvalidArgument,
            "uniform", "expected low <= high in the range of ", out.dtype(), ", found ", low, " and ", high);
    if (out.numel() == 0) return;
    T* const first = out.mutable_data<T>();
    for_each_run(out.geometry(), "uniform", [&](std::int64_t begin, std::int64_t step, std::int64_t count) {
      uniform_run(first + begin, step, count, static_cast<Wide>(low), static_cast<Wide>(high), generator);
    });
  });
}

void exponential(Array& out, double lambda, Generator& generator) {
  require(lambda > 0, ErrorCode::kInvalidArgument, "exponential", "expected a rate above 0, found ", lambda);
  visit_drawn_dtype(out.dtype(), "exponential", [&]<class T>(std::type_identity<T>) {
    if (out.numel() == 0) return;
    T* const first = out.mutable_data<T>();
    for_each_run(out.geometry(), "exponential",
                 [&](std::int64_t begin, std::int64_t step, std::int64_t count) {
                   for (std::int64_t i = 0; i < count; ++i) {
                     const double value = -1.0 / lambda * std::log1p(-generator.uniform53());
                     first[begin + i * step] = to_drawn<T>(value);
                   }
                 });
  });
}

}  // namespace sconce::kernels
