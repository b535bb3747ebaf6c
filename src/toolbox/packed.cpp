#include "sconce/toolbox/packed.h"

#include "sconce/base/checked.h"
#include "sconce/core/expanded.h"

namespace sconce::toolbox {

Array unpacked(const TensorLeaf& leaf) {
  const Array& array = leaf.array;
  const std::int64_t per_byte = values_per_byte(array.dtype());
  if (per_byte == 1 || !leaf.quantization || !leaf.quantization->packed) return array;
  const Array packed = array.contiguous();
  const std::int64_t count = checked_mul(packed.numel(), per_byte, "array");
  Array values = Array::empty({count}, array.dtype());
  const std::int64_t bits = 8 / per_byte;
  const auto* from = packed.raw();
  std::byte* to = values.mutable_raw();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto byte = std::to_integer<unsigned>(from[i / per_byte]);
    to[i] = static_cast<std::byte>((byte >> (bits * (i % per_byte))) & ((1U << bits) - 1));
  }
  Geometry geometry = *leaf.quantization->packed;
  geometry.offset = 0;
  Array out = values.with_geometry(std::move(geometry));
  refuse_expanded(out);
  return out;
}

}  // namespace sconce::toolbox
