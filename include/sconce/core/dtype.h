// The element types of arrays, in one table; every other spelling is derived from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string_view>

namespace sconce {

// PyTorch's dtypes that can stand in a file, and those of safetensors that PyTorch lacks. Names follow torch:
// kFloat32 is torch.float32.
enum class DType : std::uint8_t {
  kBool,
  kUInt8,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFloat16,
  kBFloat16,
  kFloat32,
  kFloat64,
  kComplex32,
  kComplex64,
  kComplex128,
  kBComplex32,  // two bfloat16; PyTorch 2.14 and newer
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat8E4M3FN,
  kFloat8E5M2,
  kFloat8E4M3FNUZ,
  kFloat8E5M2FNUZ,
  kFloat8E8M0FNU,
  kFloat4E2M1FNx2,  // two values a byte; shapes count bytes, as in torch
  kFloat6E2M3FNx4,  // four values in three bytes; shapes count such groups. Not in torch
  kFloat6E3M2FNx4,
  kQInt8,
  kQUInt8,
  kQInt32,
  kQUInt4x2,  // two values a byte
  kQUInt2x4,  // four values a byte
  kBits8,
  kBits1x8,
  kBits2x4,
  kBits4x2,
  kBits16,
};
using enum DType;

enum class DTypeKind : std::uint8_t { kBoolean, kInteger, kFloating, kComplex, kQuantized, kRaw };

struct DTypeInfo {
  DType dtype;
  DTypeKind kind;
  std::uint8_t itemsize;     // bytes of one element
  std::uint8_t word;         // bytes of the unit whose order depends on endianness (complex: one component)
  std::string_view name;     // torch's name without "torch.", or one in its manner
  std::string_view alias;    // torch's other name ("float"), empty when none
  std::string_view storage;  // torch storage class ("FloatStorage"), empty when none
  std::string_view safetensors;  // safetensors name ("F32"), empty when none
};

// The row of `dtype`.
const DTypeInfo& dtype_info(DType dtype);
// Every row, in enum order.
std::span<const DTypeInfo> all_dtypes();

inline std::size_t itemsize(DType dtype) { return dtype_info(dtype).itemsize; }
inline std::string_view dtype_name(DType dtype) { return dtype_info(dtype).name; }
inline bool is_floating(DType dtype) { return dtype_info(dtype).kind == DTypeKind::kFloating; }
inline bool is_complex(DType dtype) { return dtype_info(dtype).kind == DTypeKind::kComplex; }
inline bool is_quantized(DType dtype) { return dtype_info(dtype).kind == DTypeKind::kQuantized; }
// Integers and bool.
inline bool is_integral(DType dtype) {
  const DTypeKind kind = dtype_info(dtype).kind;
  return kind == DTypeKind::kInteger || kind == DTypeKind::kBoolean;
}

// The dtype of a complex number's two parts; every other dtype itself.
DType component_dtype(DType dtype);

// Whether PyTorch has it.
inline bool is_in_torch(DType dtype) {
  return dtype != DType::kFloat6E2M3FNx4 && dtype != DType::kFloat6E3M2FNx4;
}

// How many values share a byte: two of quint4x2, four of quint2x4. An Array of these counts bytes.
inline std::int64_t values_per_byte(DType dtype) {
  return dtype == DType::kQUInt4x2 ? 2 : dtype == DType::kQUInt2x4 ? 4 : 1;
}

// Inverses of the table; nullopt for a name it does not hold.
std::optional<DType> dtype_from_name(std::string_view name);  // torch's name or alias, without "torch."
std::optional<DType> dtype_from_storage(std::string_view storage_class);
std::optional<DType> dtype_from_safetensors(std::string_view name);

// Prints torch's name with "torch.": torch.float32. A dtype that torch lacks has its name alone.
std::ostream& operator<<(std::ostream& out, DType dtype);

}  // namespace sconce
