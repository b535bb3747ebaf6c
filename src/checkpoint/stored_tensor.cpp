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

Array resolve_lazy_bits(const Array& array, bool conj, bool neg, std::uint64_t limit) {
  if (!conj && !neg) return array;
  require(array.nbytes() <= limit, ErrorCode::kLimit, "torch", "a conjugate or negative view has ",
          array.nbytes(), " bytes, at most ", limit, " are made");
  Array out = array.clone();
  const DTypeInfo& info = dtype_info(array.dtype());
  const std::span<std::byte> bytes(out.mutable_raw(), out.nbytes());
  if (conj) flip_signs(bytes, info.word, 1, 2);
  if (neg) flip_signs(bytes, info.word, 0, 1);
  return out;
}

}  // namespace sconce::checkpoint
