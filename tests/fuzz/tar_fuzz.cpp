// Any bytes: listing either works, with members inside the file, or throws Error.
#include <cstddef>
#include <cstdint>

#include "sconce/base/error.h"
#include "sconce/codec/tar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sconce;
  try {
    const MemorySource source(std::as_bytes(std::span(data, size)));
    for (const tar::Member& member : tar::list(source)) {
      if (member.offset > size || member.size > size - member.offset) __builtin_trap();
    }
  } catch (const Error&) {
  }
  return 0;
}
