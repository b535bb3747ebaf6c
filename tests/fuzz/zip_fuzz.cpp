// Any bytes: opening and reading every record either works or throws Error.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "sconce/base/error.h"
#include "sconce/codec/zip_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sconce;
  zip::ReaderLimits limits;
  limits.inflated_bytes = std::uint64_t{16} << 20;
  try {
    const zip::Reader reader(std::make_shared<MemorySource>(std::as_bytes(std::span(data, size))), limits);
    for (const zip::Entry& entry : reader.entries()) {
      try {
        if (reader.read(entry).size() != entry.size) __builtin_trap();
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
