// Any bytes behind the magic number of a stream, or as a tar archive or plain pickle: loading and listing
// work, with storages inside the file, or throw Error; what was loaded can be written as a stream and read
// again.
#include <cstddef>
#include <cstdint>

#include "sconce/base/error.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/save.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sconce;
  const auto bytes = std::as_bytes(std::span(data, size));
  if (size >= 4 && data[0] == 'P' && data[1] == 'K') return 0;  // checkpoint_fuzz has those
  checkpoint::LoadOptions options;
  options.resolved_bytes = std::uint64_t{16} << 20;
  options.pickle.memory = std::uint64_t{16} << 20;
  try {
    const checkpoint::Listing listing = checkpoint::describe(bytes, options);
    for (std::size_t i = 0; i < listing.tensors.size(); ++i) {
      const checkpoint::TensorInfo& info = listing.tensors[i];
      const std::int64_t reach = info.geometry.required_elements();
      if (static_cast<std::uint64_t>(reach) * itemsize(info.dtype) > info.storage_bytes) __builtin_trap();
      listing.read(i);
    }
  } catch (const Error&) {
  }
  Value value;
  try {
    value = checkpoint::load(bytes, options);
  } catch (const Error&) {
    return 0;
  }
  try {
    MemorySink sink;
    checkpoint::save(sink, value, {.format = checkpoint::Format::kTorchLegacy, .keep_objects = true});
    MemorySink again;
    const Value back = checkpoint::load(sink.bytes());
    checkpoint::save(again, back, {.format = checkpoint::Format::kTorchLegacy, .keep_objects = true});
    if (sink.bytes() != again.bytes()) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
