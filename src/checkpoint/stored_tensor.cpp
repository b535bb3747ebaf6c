#include "checkpoint/stored_tensor.h"

#include <cstring>

namespace sconce::checkpoint {
namespace {

// Flips the sign bit of every `step`-th word from `first` on.
void flip_signs(std::span<std::byte> bytes, std::size_t word, std::size_t first, std::size_t step) {
  const std::size_t sign_byte = std::endian::native == std::endian::little ? word - 1 : 0;
  for (std::size_t i = first * word; i + word <= bytes.size(); i += step * word) {
    bytes[i + sign_byte] ^= std::byte{0x80};
  }
}

}  // namespace

Geometry packed_bytes(const Geometry& values, DType dtype) {
  const std::int64_t per_byte = values_per_byte(dtype);
  Geometry first = values;
  first.offset = 0;
  const std::int64_t count = first.required_elements();
  Shape shape{count / per_byte + (count % per_byte == 0 ? 0 : 1)};
  if (values.rank() > 0 && values.is_contiguous() && values.shape.back() % per_byte == 0) {
    shape = values.shape;
    shape[shape.size() - 1] /= per_byte;
  }
  Geometry out = Geometry::contiguous(std::move(shape));
  out.offset = values.offset;
  return out;
}

void refuse_foreign(DType dtype, std::string_view where, std::string_view path) {
  fail(ErrorCode::kUnsupported, where, "the tensor at ", path, " has dtype ", dtype,
       ", which neither PyTorch nor numpy has: write safetensors");
}

Array resolve_lazy_bits(const Array& array, bool conj, bool neg, std::uint64_t limit) {
  if (!conj && !neg) return array;
  require_limit(array.nbytes() <= limit, "resolved", "torch", "a conjugate or negative view has ",
                array.nbytes(), " bytes, at most ", limit, " are made");
  Array out = array.clone();
  const DTypeInfo& info = dtype_info(array.dtype());
  const std::span<std::byte> bytes(out.mutable_raw(), out.nbytes());
  if (conj) flip_signs(bytes, info.word, 1, 2);
  if (neg) flip_signs(bytes, info.word, 0, 1);
  return out;
}

}  // namespace sconce::checkpoint
