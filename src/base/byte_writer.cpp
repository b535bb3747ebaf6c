#include "sconce/base/byte_writer.h"

namespace sconce {

// Not inline: where g++ 12 knows the first sizes it warns of an overflow inside vector that is none.
void ByteWriter::append(const void* data, std::size_t n) {
  const auto* bytes = static_cast<const std::byte*>(data);
  buffer_.insert(buffer_.end(), bytes, bytes + n);
}

}  // namespace sconce
