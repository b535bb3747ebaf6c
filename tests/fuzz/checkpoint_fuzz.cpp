// Any bytes: loading and listing either work or throw Error, and what was loaded can be saved and loaded
// again.
#include <cstddef>
#include <cstdint>

#include "sconce/base/error.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/save.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sconce;
  const auto bytes = std::as_bytes(std::span(data, size));
  checkpoint::LoadOptions options;
  options.check_crc = false;  // a checksum would stop most mutations at the door
  options.inflated_bytes = std::uint64_t{16} << 20;
  options.resolved_bytes = std::uint64_t{16} << 20;
  options.pickle.memory = std::uint64_t{16} << 20;
  options.walk.name_bytes = std::uint64_t{4} << 20;  // a thousand bytes can make a million names
  try {
    const checkpoint::Listing listing = checkpoint::describe(bytes, options);
    for (std::size_t i = 0; i < listing.tensors.size(); ++i) listing.read(i);
  } catch (const Error&) {
  }
  try {
    const Value value = checkpoint::load(bytes, options);
    MemorySink sink;
    checkpoint::save(sink, value, {.keep_objects = true});
    checkpoint::load(sink.bytes());
  } catch (const Error&) {
  }
  return 0;
}
