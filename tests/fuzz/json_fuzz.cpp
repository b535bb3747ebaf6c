// Any bytes: what parses is written as text that parses to the same value.
#include <cstddef>
#include <cstdint>

#include "sconce/base/byte_reader.h"
#include "sconce/base/error.h"
#include "sconce/codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sconce;
  json::Json value;
  try {
    value = json::parse(as_chars(std::as_bytes(std::span(data, size))));
  } catch (const Error&) {
    return 0;
  }
  if (!(json::parse(json::write(value)) == value)) __builtin_trap();
  return 0;
}
