// Any header: loading a safetensors file either works or throws Error, and saving it again keeps every
// tensor.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sconce/base/byte_writer.h"
#include "sconce/base/error.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sconce;
  // The first byte is the number of data bytes, the rest the header.
  if (size < 3) return 0;
  ByteWriter file;
  file.little(static_cast<std::uint64_t>(size - 1));
  file.bytes(std::as_bytes(std::span(data + 1, size - 1)));
  file.fill(data[0], 1);
  try {
    const Value value = checkpoint::load(file.view());
    MemorySink sink;
    checkpoint::SaveOptions options;
    options.format = checkpoint::Format::kSafetensors;
    checkpoint::save(sink, value, options);
    if (checkpoint::load(sink.bytes()).size() != value.size()) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
