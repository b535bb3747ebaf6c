// Floating-point types narrower than float: storage with conversion, no arithmetic of their own.
// Layouts: IEEE 754 binary16; bfloat16; the OCP 8-bit formats and their "fnuz" variants as in
// torch/headeronly/util/Float8_*.h. Conversion from float rounds to nearest, ties to even.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sconce {

namespace detail {

enum class SmallFloatStyle : std::uint8_t {
  kIeee,          // top exponent holds infinity and NaN
  kFinite,        // "fn": all ones is NaN, no infinity; overflow gives the largest value, as in PyTorch 2.13
  kUnsignedZero,  // "fnuz": 0x80 is the only NaN, no infinity, no negative zero; overflow gives NaN
};

// `kExponent` exponent bits, `kMantissa` mantissa bits and a sign in an unsigned integer.
template <class Bits, int kExponent, int kMantissa, int kBias, SmallFloatStyle kStyle>
struct SmallFloatCodec {
  static constexpr Bits kSign = Bits(1) << (kExponent + kMantissa);
  static constexpr Bits kMagnitude = kSign - 1;
  static constexpr Bits kInfinity = ((Bits(1) << kExponent) - 1) << kMantissa;
  // What a NaN becomes, apart from its sign: binary16 keeps the quiet bit only, the 8-bit types set every
  // bit.
  static constexpr Bits kNan = kStyle == SmallFloatStyle::kUnsignedZero ? kSign
                               : sizeof(Bits) == 1                      ? kMagnitude
                                                   : Bits(kInfinity | (Bits(1) << (kMantissa - 1)));
  static constexpr Bits kMaxFinite = kStyle == SmallFloatStyle::kIeee     ? Bits(kInfinity - 1)
                                     : kStyle == SmallFloatStyle::kFinite ? Bits(kMagnitude - 1)
                                                                          : kMagnitude;

  static Bits encode(float value) {
    const Bits sign = std::signbit(value) ? kSign : Bits(0);
    if (std::isnan(value)) return kStyle == SmallFloatStyle::kUnsignedZero ? kNan : Bits(sign | kNan);
    const double magnitude = std::fabs(static_cast<double>(value));
    Bits code = overflow();
    if (!std::isinf(value)) {
      const int exponent = magnitude == 0 ? 1 - kBias : std::max(std::ilogb(magnitude), 1 - kBias);
      // Exact scaling by a power of two, then one rounding: the quotient counts units in the last place.
      const double units = std::nearbyint(std::ldexp(magnitude, kMantissa - exponent));
      const double wide = std::ldexp(static_cast<double>(exponent + kBias - 1), kMantissa) + units;
      if (wide <= static_cast<double>(kMaxFinite)) code = static_cast<Bits>(wide);
    }
    if (kStyle == SmallFloatStyle::kUnsignedZero && (code == 0 || code == kSign)) return code;
    return sign | code;
  }

  static float decode(Bits bits) {
    const Bits magnitude = bits & kMagnitude;
    const float sign = (bits & kSign) != 0 ? -1.0F : 1.0F;
    if (kStyle == SmallFloatStyle::kUnsignedZero) {
      if (bits == kSign) return std::numeric_limits<float>::quiet_NaN();
    } else if (magnitude > kMaxFinite) {
      if (kStyle == SmallFloatStyle::kIeee && magnitude == kInfinity) {
        return sign * std::numeric_limits<float>::infinity();
      }
      return std::copysign(std::numeric_limits<float>::quiet_NaN(), sign);
    }
    const int exponent = magnitude >> kMantissa;
    const int fraction = magnitude & ((1 << kMantissa) - 1);
    if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), 1 - kBias - kMantissa);
    return sign * std::ldexp(static_cast<float>(fraction + (1 << kMantissa)), exponent - kBias - kMantissa);
  }

 private:
  static constexpr Bits overflow() {
    if (kStyle == SmallFloatStyle::kIeee) return kInfinity;
    return kStyle == SmallFloatStyle::kFinite ? kMaxFinite : kNan;
  }
};

}  // namespace detail

template <class Bits, class Codec>
struct SmallFloat {
  Bits bits = 0;
  SmallFloat() = default;
  explicit SmallFloat(float value) : bits(Codec::encode(value)) {}
  explicit operator float() const { return Codec::decode(bits); }
};

using Float8E4M3FN =
    SmallFloat<std::uint8_t,
               detail::SmallFloatCodec<std::uint8_t, 4, 3, 7, detail::SmallFloatStyle::kFinite>>;
using Float8E5M2 =
    SmallFloat<std::uint8_t, detail::SmallFloatCodec<std::uint8_t, 5, 2, 15, detail::SmallFloatStyle::kIeee>>;
using Float8E4M3FNUZ =
    SmallFloat<std::uint8_t,
               detail::SmallFloatCodec<std::uint8_t, 4, 3, 8, detail::SmallFloatStyle::kUnsignedZero>>;
using Float8E5M2FNUZ =
    SmallFloat<std::uint8_t,
               detail::SmallFloatCodec<std::uint8_t, 5, 2, 16, detail::SmallFloatStyle::kUnsignedZero>>;
using Float16 = SmallFloat<std::uint16_t,
                           detail::SmallFloatCodec<std::uint16_t, 5, 10, 15, detail::SmallFloatStyle::kIeee>>;

// The upper half of a float.
struct BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value) {
    const auto wide = std::bit_cast<std::uint32_t>(value);
    if (std::isnan(value)) {
      bits = 0x7FC0;  // as torch: every NaN becomes this one
    } else {
      bits = static_cast<std::uint16_t>((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16);
    }
  }
  explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

// A power of two, 2^(bits - 127); 0xFF is NaN; no sign, no zero.
struct Float8E8M0FNU {
  std::uint8_t bits = 0;
  Float8E8M0FNU() = default;
  explicit Float8E8M0FNU(float value) {
    const auto wide = std::bit_cast<std::uint32_t>(value);
    auto exponent = static_cast<std::uint8_t>((wide >> 23) & 0xFF);
    const std::uint32_t fraction = wide & 0x7FFFFF;
    // The mantissa's hidden bit is the last bit kept: 1 for normal numbers, so a tie rounds up there.
    const bool round_up = fraction > 0x400000 || (fraction == 0x400000 && exponent > 0);
    if (exponent != 0xFF && round_up) ++exponent;
    bits = exponent;
  }
  explicit operator float() const {
    if (bits == 0xFF) return std::numeric_limits<float>::quiet_NaN();
    return std::ldexp(1.0F, static_cast<int>(bits) - 127);
  }
};

// A complex number of two narrow floats: storage alone.
template <class Part>
struct SmallComplex {
  Part real;
  Part imag;
};
using Complex32 = SmallComplex<Float16>;
using BComplex32 = SmallComplex<BFloat16>;

}  // namespace sconce
