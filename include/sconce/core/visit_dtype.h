// The only switch over dtypes.
#pragma once

#include <complex>
#include <cstdint>
#include <type_traits>

#include "sconce/base/error.h"
#include "sconce/core/dtype.h"
#include "sconce/core/small_float.h"

namespace sconce {

// The C++ element type of a DType. Quantized and raw types are seen as the integers they are stored in,
// elements of three bytes, for which there is none, as single bytes.
template <DType kDType>
struct ElementOf;
// The DType that a C++ type stands for.
template <class T>
struct DTypeOf;

#define SCONCE_ELEMENT(dtype, type)       \
  template <>                             \
  struct ElementOf<dtype> {               \
    using Type = type;                    \
  };                                      \
  template <>                             \
  struct DTypeOf<type> {                  \
    static constexpr DType value = dtype; \
  }
SCONCE_ELEMENT(kBool, bool);
SCONCE_ELEMENT(kUInt8, std::uint8_t);
SCONCE_ELEMENT(kInt8, std::int8_t);
SCONCE_ELEMENT(kInt16, std::int16_t);
SCONCE_ELEMENT(kInt32, std::int32_t);
SCONCE_ELEMENT(kInt64, std::int64_t);
SCONCE_ELEMENT(kFloat16, Float16);
SCONCE_ELEMENT(kBFloat16, BFloat16);
SCONCE_ELEMENT(kFloat32, float);
SCONCE_ELEMENT(kFloat64, double);
SCONCE_ELEMENT(kComplex32, Complex32);
SCONCE_ELEMENT(kComplex64, std::complex<float>);
SCONCE_ELEMENT(kComplex128, std::complex<double>);
SCONCE_ELEMENT(kBComplex32, BComplex32);
SCONCE_ELEMENT(kUInt16, std::uint16_t);
SCONCE_ELEMENT(kUInt32, std::uint32_t);
SCONCE_ELEMENT(kUInt64, std::uint64_t);
SCONCE_ELEMENT(kFloat8E4M3FN, Float8E4M3FN);
SCONCE_ELEMENT(kFloat8E5M2, Float8E5M2);
SCONCE_ELEMENT(kFloat8E4M3FNUZ, Float8E4M3FNUZ);
SCONCE_ELEMENT(kFloat8E5M2FNUZ, Float8E5M2FNUZ);
SCONCE_ELEMENT(kFloat8E8M0FNU, Float8E8M0FNU);
#undef SCONCE_ELEMENT

template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

// Calls visitor(std::type_identity<T>{}) with the element type of `dtype` and returns its result. To move
// elements go by their itemsize.
template <class Visitor>
decltype(auto) visit_dtype(DType dtype, Visitor&& visitor) {
  switch (dtype) {
    case kBool:
      return visitor(std::type_identity<bool>{});
    case kInt8:
    case kQInt8:
      return visitor(std::type_identity<std::int8_t>{});
    case kInt16:
      return visitor(std::type_identity<std::int16_t>{});
    case kInt32:
    case kQInt32:
      return visitor(std::type_identity<std::int32_t>{});
    case kInt64:
      return visitor(std::type_identity<std::int64_t>{});
    case kFloat16:
      return visitor(std::type_identity<Float16>{});
    case kBFloat16:
      return visitor(std::type_identity<BFloat16>{});
    case kFloat32:
      return visitor(std::type_identity<float>{});
    case kFloat64:
      return visitor(std::type_identity<double>{});
    case kComplex32:
      return visitor(std::type_identity<Complex32>{});
    case kComplex64:
      return visitor(std::type_identity<std::complex<float>>{});
    case kComplex128:
      return visitor(std::type_identity<std::complex<double>>{});
    case kBComplex32:
      return visitor(std::type_identity<BComplex32>{});
    case kUInt16:
    case kBits16:
      return visitor(std::type_identity<std::uint16_t>{});
    case kUInt32:
      return visitor(std::type_identity<std::uint32_t>{});
    case kUInt64:
      return visitor(std::type_identity<std::uint64_t>{});
    case kFloat8E4M3FN:
      return visitor(std::type_identity<Float8E4M3FN>{});
    case kFloat8E5M2:
      return visitor(std::type_identity<Float8E5M2>{});
    case kFloat8E4M3FNUZ:
      return visitor(std::type_identity<Float8E4M3FNUZ>{});
    case kFloat8E5M2FNUZ:
      return visitor(std::type_identity<Float8E5M2FNUZ>{});
    case kFloat8E8M0FNU:
      return visitor(std::type_identity<Float8E8M0FNU>{});
    case kUInt8:
    case kFloat4E2M1FNx2:
    case kFloat6E2M3FNx4:
    case kFloat6E3M2FNx4:
    case kQUInt8:
    case kQUInt4x2:
    case kQUInt2x4:
    case kBits8:
    case kBits1x8:
    case kBits2x4:
    case kBits4x2:
      break;
  }
  return visitor(std::type_identity<std::uint8_t>{});
}

}  // namespace sconce
