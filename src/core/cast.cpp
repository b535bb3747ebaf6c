// Conversion between dtypes. Elements pass through one of three wide types in small blocks, so there is one
// loop per dtype and direction instead of one per pair.
#include <array>
#include <cmath>
#include <complex>
#include <limits>
#include <type_traits>

#include "sconce/core/array.h"

namespace sconce {
namespace {

constexpr std::int64_t kBlock = 256;
using WideComplex = std::complex<double>;

template <class T>
concept Arithmetic = std::is_arithmetic_v<T>;

template <class T>
struct IsComplex : std::false_type {};
template <class T>
struct IsComplex<std::complex<T>> : std::true_type {};

template <class T>
struct IsSmallComplex : std::false_type {};
template <class T>
struct IsSmallComplex<SmallComplex<T>> : std::true_type {};

// Truncation as the processor's conversion does it, without C++'s undefined behaviour out of range.
std::int64_t truncate(double value) {
  constexpr double kEdge = 9223372036854775808.0;  // 2^63
  if (!(value >= -kEdge && value < kEdge)) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(value);
}

template <class Wide, class T>
Wide widen(T value) {
  if constexpr (IsSmallComplex<T>::value) {
    return widen<Wide>(std::complex<double>(static_cast<float>(value.real), static_cast<float>(value.imag)));
  } else if constexpr (IsComplex<T>::value) {
    if constexpr (std::is_same_v<Wide, WideComplex>)
      return WideComplex(value.real(), value.imag());
    else
      return widen<Wide>(value.real());  // PyTorch discards the imaginary part
  } else if constexpr (Arithmetic<T>) {
    if constexpr (std::is_same_v<Wide, std::int64_t> && std::is_floating_point_v<T>)
      return truncate(value);
    else if constexpr (std::is_same_v<Wide, WideComplex>)
      return WideComplex(static_cast<double>(value), 0.0);
    else
      return static_cast<Wide>(value);
  } else {
    return widen<Wide>(static_cast<float>(value));
  }
}

template <class T, class Wide>
T narrow_to(Wide value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value != Wide(0);
  } else if constexpr (IsSmallComplex<T>::value) {
    const auto wide = narrow_to<std::complex<float>>(value);
    return {decltype(T::real)(wide.real()), decltype(T::imag)(wide.imag())};
  } else if constexpr (IsComplex<T>::value) {
    using Part = typename T::value_type;
    if constexpr (std::is_same_v<Wide, WideComplex>)
      return T(static_cast<Part>(value.real()), static_cast<Part>(value.imag()));
    else
      return T(static_cast<Part>(value), Part(0));
  } else if constexpr (std::is_same_v<Wide, WideComplex>) {
    return narrow_to<T>(value.real());
  } else if constexpr (std::is_integral_v<T>) {
    if constexpr (std::is_same_v<Wide, double>)
      return static_cast<T>(truncate(value));
    else
      return static_cast<T>(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else {
    return T(static_cast<float>(value));
  }
}

// A value of 2^63 or more survives float -> uint64 by going through the upper half of the range.
template <>
std::uint64_t narrow_to<std::uint64_t, double>(double value) {
  constexpr double kEdge = 9223372036854775808.0;
  if (value >= kEdge && value < 2 * kEdge) {
    return static_cast<std::uint64_t>(truncate(value - kEdge)) + (std::uint64_t{1} << 63);
  }
  return static_cast<std::uint64_t>(truncate(value));
}

// Walks the innermost dimension of both views in blocks.
template <class Wide>
void convert(const std::byte* source, DType from, std::byte* target, DType to, const Shape& shape,
             const Strides& source_strides, const Strides& target_strides) {
  const std::size_t outer = shape.empty() ? 0 : shape.size() - 1;
  const std::int64_t count = shape.empty() ? 1 : shape.back();
  const std::int64_t source_step = shape.empty() ? 1 : source_strides.back();
  const std::int64_t target_step = shape.empty() ? 1 : target_strides.back();
  Dims position(outer);
  std::array<Wide, kBlock> block;
  while (true) {
    std::int64_t in = 0;
    std::int64_t out = 0;
    for (std::size_t i = 0; i < outer; ++i) {
      in += position[i] * source_strides[i];
      out += position[i] * target_strides[i];
    }
    for (std::int64_t begin = 0; begin < count; begin += kBlock) {
      const std::int64_t n = std::min(kBlock, count - begin);
      visit_dtype(from, [&]<class T>(std::type_identity<T>) {
        const T* first = reinterpret_cast<const T*>(source) + in + begin * source_step;
        for (std::int64_t i = 0; i < n; ++i)
          block[static_cast<std::size_t>(i)] = widen<Wide>(first[i * source_step]);
      });
      visit_dtype(to, [&]<class T>(std::type_identity<T>) {
        T* first = reinterpret_cast<T*>(target) + out + begin * target_step;
        for (std::int64_t i = 0; i < n; ++i) {
          first[i * target_step] = narrow_to<T>(block[static_cast<std::size_t>(i)]);
        }
      });
    }
    std::size_t i = outer;
    while (i > 0 && ++position[i - 1] == shape[i - 1]) position[--i] = 0;
    if (i == 0) return;
  }
}

// Quantized and packed elements have no value without their scale: moving them needs equal dtypes.
bool has_value(DType dtype) {
  const DTypeKind kind = dtype_info(dtype).kind;
  return kind != DTypeKind::kQuantized && kind != DTypeKind::kRaw;
}

}  // namespace

Array Array::cast(DType dtype) const {
  if (dtype == dtype_) return *this;
  Array out = empty(shape(), dtype);
  out.copy_from(*this);
  return out;
}

void Array::copy_from(const Array& source) {
  const Array from = source.shape() == shape() ? source : source.expand(shape());
  if (numel() == 0) return;
  if (source.dtype_ == dtype_) {
    // A copy inside one storage could read what it has just written.
    const bool may_overlap = from.storage_ == storage_ && from.geometry_ != geometry_;
    const Array safe = may_overlap ? from.clone() : from;
    copy_strided(mutable_raw(), strides(), safe.raw(), safe.strides(), shape(), itemsize());
    return;
  }
  require(has_value(source.dtype_) && has_value(dtype_), ErrorCode::kDTypeMismatch, "cast", "cannot convert ",
          source.dtype_, " to ", dtype_);
  std::byte* target = mutable_raw();
  if (is_complex(source.dtype_) && (is_complex(dtype_) || dtype_ == kBool)) {
    convert<WideComplex>(from.raw(), source.dtype_, target, dtype_, shape(), from.strides(), strides());
  } else if (is_integral(source.dtype_) && (source.dtype_ != kUInt64 || is_integral(dtype_))) {
    // Directly from the integer: by way of double a large one would be rounded twice.
    convert<std::int64_t>(from.raw(), source.dtype_, target, dtype_, shape(), from.strides(), strides());
  } else {
    convert<double>(from.raw(), source.dtype_, target, dtype_, shape(), from.strides(), strides());
  }
}

void Array::fill(double value) {
  // An int64 or narrower fill value is exact in a double up to 2^53.
  copy_from(Array::scalar(value).expand(shape()));
}

}  // namespace sconce
