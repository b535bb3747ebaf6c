#include "sconce/toolbox/tensor_difference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstring>
#include <type_traits>
#include <vector>

#include "sconce/base/interrupt.h"
#include "sconce/base/parallel.h"

namespace sconce::toolbox {
namespace {

constexpr std::int64_t kDifferenceBlock = std::int64_t{1} << 16;  // elements whose sums are made together
using Complex = std::complex<double>;

bool is_packed(DType dtype) {
  return dtype_info(dtype).kind == DTypeKind::kRaw || dtype == kQUInt4x2 || dtype == kQUInt2x4;
}

// ---- elements as numbers

template <class T>
double to_double(T value) {
  if constexpr (std::is_arithmetic_v<T>)
    return static_cast<double>(value);
  else
    return static_cast<double>(static_cast<float>(value));
}

template <class T>
struct Parts {  // of a complex number
  T real, imag;
};
template <class T>
Parts<T> parts_of(const std::complex<T>& value) {
  return {value.real(), value.imag()};
}
template <class T>
Parts<T> parts_of(const SmallComplex<T>& value) {
  return {value.real, value.imag};
}

template <class T>
concept IsComplex = requires(const T& value) {
  parts_of(value);
};

// ---- units in the last place

template <class T>
auto bits_of(T value) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<std::uint32_t>(value);
  else if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<std::uint64_t>(value);
  else
    return value.bits;
}

// Finite values of all our formats are ordered as their sign and magnitude bits.
template <class T>
std::uint64_t ulp_distance(T a, T b) {
  const auto x = bits_of(a);
  const auto y = bits_of(b);
  using Bits = std::remove_const_t<decltype(x)>;
  if constexpr (std::is_same_v<T, Float8E8M0FNU>) {  // no sign
    return x > y ? std::uint64_t{x} - y : std::uint64_t{y} - x;
  } else {
    constexpr Bits kSign = Bits(Bits(1) << (8 * sizeof(Bits) - 1));
    const std::uint64_t magnitude_a = Bits(x & Bits(~kSign));
    const std::uint64_t magnitude_b = Bits(y & Bits(~kSign));
    if ((x & kSign) != (y & kSign)) return magnitude_a + magnitude_b;
    return magnitude_a > magnitude_b ? magnitude_a - magnitude_b : magnitude_b - magnitude_a;
  }
}

template <class T>
constexpr bool kHasUlp = !std::is_integral_v<T>;

// ---- one block

struct DifferenceSums {
  std::int64_t different = 0;
  std::int64_t beyond = 0;
  std::int64_t non_finite = 0;
  std::int64_t finite = 0;
  double max_absolute = 0;
  double sum_absolute = 0;
  double max_relative = 0;
  std::int64_t worst = 0;
  std::uint64_t max_ulp = 0;
  double dot = 0;
  double norm_a = 0;  // squared
  double norm_b = 0;

  void add_distance(double distance, double larger, std::int64_t index) {
    sum_absolute += distance;
    if (distance > max_absolute) {
      max_absolute = distance;
      worst = index;
    }
    if (larger > 0) max_relative = std::max(max_relative, distance / larger);
  }
  void add_products(double a, double b) {
    dot += a * b;
    norm_a += a * a;
    norm_b += b * b;
  }
  // What comes later in the order of elements.
  void append(const DifferenceSums& next) {
    different += next.different;
    beyond += next.beyond;
    non_finite += next.non_finite;
    finite += next.finite;
    if (next.max_absolute > max_absolute) {
      max_absolute = next.max_absolute;
      worst = next.worst;
    }
    sum_absolute += next.sum_absolute;
    max_relative = std::max(max_relative, next.max_relative);
    max_ulp = std::max(max_ulp, next.max_ulp);
    dot += next.dot;
    norm_a += next.norm_a;
    norm_b += next.norm_b;
  }
};

template <class T>
double distance_of(T a, T b) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    using Unsigned = std::make_unsigned_t<T>;  // exact where a difference of doubles is not
    const auto apart = a > b ? Unsigned(Unsigned(a) - Unsigned(b)) : Unsigned(Unsigned(b) - Unsigned(a));
    return static_cast<double>(apart);
  } else {
    return std::fabs(to_double(a) - to_double(b));
  }
}

// `is_same`: nothing distinguishes the two elements.
template <class T>
void add_real(DifferenceSums& out, const Tolerance* tolerance, T a, T b, bool is_same, std::int64_t index) {
  const double x = to_double(a);
  const double y = to_double(b);
  const bool both_finite = std::isfinite(x) && std::isfinite(y);
  if (!is_same) {
    ++out.different;
    if (!both_finite) ++out.non_finite;
  }
  if (!both_finite) {
    if (!is_same && (tolerance == nullptr || !tolerance->covers(x, y))) ++out.beyond;
    return;
  }
  ++out.finite;
  out.add_products(x, y);
  if (is_same) return;
  const double distance = distance_of(a, b);
  if (tolerance == nullptr || !(distance <= tolerance->absolute + tolerance->relative * std::fabs(y)))
    ++out.beyond;
  out.add_distance(distance, std::max(std::fabs(x), std::fabs(y)), index);
  if constexpr (kHasUlp<T>) out.max_ulp = std::max(out.max_ulp, ulp_distance(a, b));
}

template <class T>
void add_complex(DifferenceSums& out, const Tolerance* tolerance, const T& a, const T& b, bool is_same,
                 std::int64_t index) {
  const auto p = parts_of(a);
  const auto q = parts_of(b);
  const Complex x(to_double(p.real), to_double(p.imag));
  const Complex y(to_double(q.real), to_double(q.imag));
  const auto is_finite = [](const Complex& z) { return std::isfinite(z.real()) && std::isfinite(z.imag()); };
  const bool both_finite = is_finite(x) && is_finite(y);
  if (!is_same) {
    ++out.different;
    if (!both_finite) ++out.non_finite;
  }
  if (!both_finite) {
    const bool is_near = tolerance != nullptr && tolerance->covers(x.real(), y.real()) &&
                         tolerance->covers(x.imag(), y.imag());
    if (!is_same && !is_near) ++out.beyond;
    return;
  }
  ++out.finite;
  out.add_products(x.real(), y.real());
  out.add_products(x.imag(), y.imag());
  if (is_same) return;
  const double distance = std::abs(x - y);
  if (tolerance == nullptr || !(distance <= tolerance->absolute + tolerance->relative * std::abs(y)))
    ++out.beyond;
  out.add_distance(distance, std::max(std::abs(x), std::abs(y)), index);
  out.max_ulp = std::max({out.max_ulp, ulp_distance(p.real, q.real), ulp_distance(p.imag, q.imag)});
}

template <class T>
DifferenceSums compare_block(const T* a, const T* b, std::int64_t begin, std::int64_t end,
                             const Tolerance* tolerance) {
  DifferenceSums out;
  for (std::int64_t i = begin; i < end; ++i) {
    // The bits, not the numbers: -0.0 is not 0.0 here, and a NaN is itself.
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
    const bool is_same = std::memcmp(a + i, b + i, sizeof(T)) == 0;
    if constexpr (IsComplex<T>)
      add_complex(out, tolerance, a[i], b[i], is_same, i);
    else
      add_real(out, tolerance, a[i], b[i], is_same, i);
  }
  return out;
}

// Elements of unlike dtypes meet as the widest kind of number; "the same" means equal numbers, or two NaN.
DifferenceSums compare_converted(const Array& a, const Array& b, std::int64_t begin, std::int64_t end,
                                 const Tolerance* tolerance) {
  DifferenceSums out;
  const auto part = [&](const Array& array) { return array.narrow(0, begin, end - begin); };
  const auto same_number = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  if (is_complex(a.dtype()) || is_complex(b.dtype())) {
    const auto x = part(a).to_vector<Complex>();
    const auto y = part(b).to_vector<Complex>();
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool is_same = same_number(x[i].real(), y[i].real()) && same_number(x[i].imag(), y[i].imag());
      add_complex(out, tolerance, x[i], y[i], is_same, begin + static_cast<std::int64_t>(i));
    }
    return out;
  }
  if (is_integral(a.dtype()) && is_integral(b.dtype()) && a.dtype() != kUInt64 && b.dtype() != kUInt64) {
    const auto x = part(a).to_vector<std::int64_t>();
    const auto y = part(b).to_vector<std::int64_t>();
    for (std::size_t i = 0; i < x.size(); ++i)
      add_real(out, tolerance, x[i], y[i], x[i] == y[i], begin + static_cast<std::int64_t>(i));
    return out;
  }
  const auto x = part(a).to_vector<double>();
  const auto y = part(b).to_vector<double>();
  for (std::size_t i = 0; i < x.size(); ++i)
    add_real(out, tolerance, x[i], y[i], same_number(x[i], y[i]), begin + static_cast<std::int64_t>(i));
  return out;
}

DifferenceSums compare_bytes(const std::byte* a, const std::byte* b, std::size_t itemsize, std::int64_t begin,
                             std::int64_t end) {
  DifferenceSums out;
  for (std::int64_t i = begin; i < end; ++i) {
    const auto at = static_cast<std::size_t>(i) * itemsize;
    if (std::memcmp(a + at, b + at, itemsize) != 0) ++out.different;
  }
  out.beyond = out.different;
  return out;
}

DifferenceSums compare_range(const Array& a, const Array& b, std::int64_t begin, std::int64_t end,
                             const Tolerance* tolerance) {
  if (a.dtype() != b.dtype()) return compare_converted(a, b, begin, end, tolerance);
  if (is_packed(a.dtype())) return compare_bytes(a.raw(), b.raw(), a.itemsize(), begin, end);
  return visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
    return compare_block(reinterpret_cast<const T*>(a.raw()), reinterpret_cast<const T*>(b.raw()), begin, end,
                         tolerance);
  });
}

std::optional<double> cosine_of(const DifferenceSums& sum, std::int64_t count) {
  if (count == 0 || sum.norm_a == 0 || sum.norm_b == 0) return std::nullopt;
  const double cosine = sum.dot / (std::sqrt(sum.norm_a) * std::sqrt(sum.norm_b));
  if (!std::isfinite(cosine)) return std::nullopt;
  return std::clamp(cosine, -1.0, 1.0);
}

}  // namespace

bool Tolerance::covers(double a, double b) const {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  if (!std::isfinite(a) || !std::isfinite(b)) return false;
  return std::fabs(a - b) <= absolute + relative * std::fabs(b);
}

bool is_comparable(DType a, DType b) {
  const auto is_number = [](DType dtype) { return !is_packed(dtype) && !is_quantized(dtype); };
  return a == b || (is_number(a) && is_number(b));
}

TensorDifference tensor_difference(const Array& a, const Array& b,
                                   const std::optional<Tolerance>& tolerance) {
  require(a.shape() == b.shape(), ErrorCode::kShapeMismatch, "diff", "expected one shape, found ", a.shape(),
          " and ", b.shape());
  require(is_comparable(a.dtype(), b.dtype()), ErrorCode::kDTypeMismatch, "diff",
          "cannot compare elements of ", a.dtype(), " with those of ", b.dtype());
  const Array x = a.contiguous().view({-1});
  const Array y = b.contiguous().view({-1});
  const std::int64_t count = x.numel();
  const std::int64_t blocks = (count + kDifferenceBlock - 1) / kDifferenceBlock;
  std::vector<DifferenceSums> parts(static_cast<std::size_t>(blocks));
  parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      throw_if_stop_requested();
      parts[static_cast<std::size_t>(block)] =
          compare_range(x, y, block * kDifferenceBlock, std::min(count, (block + 1) * kDifferenceBlock),
                        tolerance ? &*tolerance : nullptr);
    }
  });
  DifferenceSums sum;
  for (const DifferenceSums& part : parts) sum.append(part);

  TensorDifference out;
  out.count = count;
  out.different = sum.different;
  out.beyond = sum.beyond;
  out.non_finite = sum.non_finite;
  out.has_numbers = !is_packed(a.dtype());
  if (!out.has_numbers) return out;
  out.max_absolute = sum.max_absolute;
  out.mean_absolute = sum.finite == 0 ? 0 : sum.sum_absolute / static_cast<double>(sum.finite);
  out.max_relative = sum.max_relative;
  out.worst = sum.worst;
  if (a.dtype() == b.dtype() && (is_floating(a.dtype()) || is_complex(a.dtype()))) out.max_ulp = sum.max_ulp;
  out.cosine = cosine_of(sum, count);
  return out;
}

}  // namespace sconce::toolbox
