#include "sconce/tensor/promote.h"

namespace sconce {
namespace {

// bool < integer < floating < complex.
int rank_of(DType dtype) {
  const DTypeKind kind = dtype_info(dtype).kind;
  require(kind != DTypeKind::kQuantized && kind != DTypeKind::kRaw &&
              (itemsize(dtype) > 1 || !is_floating(dtype)),
          ErrorCode::kDTypeMismatch, "promote", dtype, " takes no part in arithmetic");
  return static_cast<int>(kind);
}

bool is_unsigned(DType dtype) {
  return dtype == kUInt8 || dtype == kUInt16 || dtype == kUInt32 || dtype == kUInt64;
}

DType promote_integers(DType a, DType b) {
  if (is_unsigned(a) == is_unsigned(b)) return itemsize(a) >= itemsize(b) ? a : b;
  const DType with_sign = is_unsigned(a) ? b : a;
  const DType without = is_unsigned(a) ? a : b;
  // torch: only uint8 mixes with signed integers.
  require(without == kUInt8, ErrorCode::kDTypeMismatch, "promote", "no integer dtype holds both ", a, " and ",
          b);
  return with_sign == kInt8 ? kInt16 : with_sign;
}

DType promote_complex(DType a, DType b) {
  const DType part_a = component_dtype(a);
  const DType part_b = component_dtype(b);
  const DType part = is_integral(part_a)   ? part_b
                     : is_integral(part_b) ? part_a
                                           : promote_types(part_a, part_b);
  return part == kFloat64    ? kComplex128
         : part == kFloat16  ? kComplex32
         : part == kBFloat16 ? kBComplex32
                             : kComplex64;
}

// The dtype that a scalar's kind brings: its own when the other side has a lower kind.
DType scalar_dtype(Scalar scalar) { return scalar.dtype() == kFloat64 ? kFloat32 : scalar.dtype(); }

}  // namespace

DType promote_types(DType a, DType b) {
  const int rank_a = rank_of(a);
  const int rank_b = rank_of(b);
  if (a == b) return a;
  if (is_complex(a) || is_complex(b)) return promote_complex(a, b);
  if (rank_a != rank_b) return rank_a > rank_b ? a : b;
  if (is_integral(a)) return promote_integers(a, b);
  if (itemsize(a) == itemsize(b)) return kFloat32;  // float16 and bfloat16
  return itemsize(a) > itemsize(b) ? a : b;
}

DType result_type(const Tensor& a, const Tensor& b) {
  if (a.dtype() == b.dtype()) return a.dtype();
  const bool a_is_0d = a.rank() == 0;
  const bool b_is_0d = b.rank() == 0;
  if (a_is_0d != b_is_0d) {
    const DType high = a_is_0d ? b.dtype() : a.dtype();
    const DType low = a_is_0d ? a.dtype() : b.dtype();
    if (rank_of(high) >= rank_of(low)) return high;
  }
  return promote_types(a.dtype(), b.dtype());
}

DType result_type(const Tensor& a, Scalar b) {
  return rank_of(a.dtype()) >= rank_of(b.dtype()) ? a.dtype() : promote_types(a.dtype(), scalar_dtype(b));
}

}  // namespace sconce
