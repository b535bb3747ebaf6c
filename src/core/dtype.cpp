#include "sconce/core/dtype.h"

#include <algorithm>
#include <array>
#include <ostream>

namespace sconce {
namespace {

using enum DTypeKind;

// Storage classes: torch/storage.py. Types without one are written with UntypedStorage and a dtype.
// safetensors names: the Dtype enum of safetensors/src/tensor.rs.
constexpr auto kTable = std::to_array<DTypeInfo>({
    {kBool, kBoolean, 1, 1, "bool", "", "BoolStorage", "BOOL"},
    {kUInt8, kInteger, 1, 1, "uint8", "", "ByteStorage", "U8"},
    {kInt8, kInteger, 1, 1, "int8", "", "CharStorage", "I8"},
    {kInt16, kInteger, 2, 2, "int16", "short", "ShortStorage", "I16"},
    {kInt32, kInteger, 4, 4, "int32", "int", "IntStorage", "I32"},
    {kInt64, kInteger, 8, 8, "int64", "long", "LongStorage", "I64"},
    {kFloat16, kFloating, 2, 2, "float16", "half", "HalfStorage", "F16"},
    {kBFloat16, kFloating, 2, 2, "bfloat16", "", "BFloat16Storage", "BF16"},
    {kFloat32, kFloating, 4, 4, "float32", "float", "FloatStorage", "F32"},
    {kFloat64, kFloating, 8, 8, "float64", "double", "DoubleStorage", "F64"},
    {kComplex32, kComplex, 4, 2, "complex32", "chalf", "", ""},
    {kComplex64, kComplex, 8, 4, "complex64", "cfloat", "ComplexFloatStorage", "C64"},
    {kComplex128, kComplex, 16, 8, "complex128", "cdouble", "ComplexDoubleStorage", ""},
    {kBComplex32, kComplex, 4, 2, "bcomplex32", "", "", ""},
    {kUInt16, kInteger, 2, 2, "uint16", "", "", "U16"},
    {kUInt32, kInteger, 4, 4, "uint32", "", "", "U32"},
    {kUInt64, kInteger, 8, 8, "uint64", "", "", "U64"},
    {kFloat8E4M3FN, kFloating, 1, 1, "float8_e4m3fn", "", "", "F8_E4M3"},
    {kFloat8E5M2, kFloating, 1, 1, "float8_e5m2", "", "", "F8_E5M2"},
    {kFloat8E4M3FNUZ, kFloating, 1, 1, "float8_e4m3fnuz", "", "", "F8_E4M3FNUZ"},
    {kFloat8E5M2FNUZ, kFloating, 1, 1, "float8_e5m2fnuz", "", "", "F8_E5M2FNUZ"},
    {kFloat8E8M0FNU, kFloating, 1, 1, "float8_e8m0fnu", "", "", "F8_E8M0"},
    {kFloat4E2M1FNx2, kRaw, 1, 1, "float4_e2m1fn_x2", "", "", "F4"},
    {kFloat6E2M3FNx4, kRaw, 3, 1, "float6_e2m3fn_x4", "", "", "F6_E2M3"},
    {kFloat6E3M2FNx4, kRaw, 3, 1, "float6_e3m2fn_x4", "", "", "F6_E3M2"},
    {kQInt8, kQuantized, 1, 1, "qint8", "", "QInt8Storage", ""},
    {kQUInt8, kQuantized, 1, 1, "quint8", "", "QUInt8Storage", ""},
    {kQInt32, kQuantized, 4, 4, "qint32", "", "QInt32Storage", ""},
    {kQUInt4x2, kQuantized, 1, 1, "quint4x2", "", "QUInt4x2Storage", ""},
    {kQUInt2x4, kQuantized, 1, 1, "quint2x4", "", "QUInt2x4Storage", ""},
    {kBits8, kRaw, 1, 1, "bits8", "", "", ""},
    {kBits1x8, kRaw, 1, 1, "bits1x8", "", "", ""},
    {kBits2x4, kRaw, 1, 1, "bits2x4", "", "", ""},
    {kBits4x2, kRaw, 1, 1, "bits4x2", "", "", ""},
    {kBits16, kRaw, 2, 2, "bits16", "", "", ""},
});

constexpr bool in_enum_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].dtype) != i) return false;
  }
  return kTable.size() == static_cast<std::size_t>(kBits16) + 1;
}
static_assert(in_enum_order());

std::optional<DType> find(std::string_view text, std::string_view DTypeInfo::*column) {
  if (text.empty()) return std::nullopt;
  const auto* row =
      std::find_if(kTable.begin(), kTable.end(), [&](const DTypeInfo& info) { return info.*column == text; });
  if (row == kTable.end()) return std::nullopt;
  return row->dtype;
}

}  // namespace

const DTypeInfo& dtype_info(DType dtype) { return kTable[static_cast<std::size_t>(dtype)]; }

std::span<const DTypeInfo> all_dtypes() { return kTable; }

DType component_dtype(DType dtype) {
  switch (dtype) {
    case kComplex32:
      return kFloat16;
    case kBComplex32:
      return kBFloat16;
    case kComplex64:
      return kFloat32;
    case kComplex128:
      return kFloat64;
    default:
      return dtype;
  }
}

std::optional<DType> dtype_from_name(std::string_view name) {
  auto dtype = find(name, &DTypeInfo::name);
  if (!dtype) dtype = find(name, &DTypeInfo::alias);
  return dtype && is_in_torch(*dtype) ? dtype : std::nullopt;
}

std::optional<DType> dtype_from_storage(std::string_view storage_class) {
  return find(storage_class, &DTypeInfo::storage);
}

std::optional<DType> dtype_from_safetensors(std::string_view name) {
  return find(name, &DTypeInfo::safetensors);
}

std::ostream& operator<<(std::ostream& out, DType dtype) {
  return out << (is_in_torch(dtype) ? "torch." : "") << dtype_name(dtype);
}

}  // namespace sconce
