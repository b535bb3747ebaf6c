// Any bytes that load: saved and loaded again they are the same tree, and saved once more the same bytes, of
// which nothing runs code when Python loads them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "sconce/base/error.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/save.h"

namespace {

using namespace sconce;

std::optional<std::vector<std::byte>> saved(const Value& value) {
  MemorySink sink;
  try {
    checkpoint::save(sink, value, {.keep_objects = true, .keep_device = true});
  } catch (const Error&) {
    return std::nullopt;  // not everything that can be read can be written
  }
  return sink.bytes();
}

bool could_run_code(const std::vector<std::byte>& file) try {
  const checkpoint::Listing listing = checkpoint::describe(file);
  return std::any_of(listing.pickles.begin(), listing.pickles.end(), [](const auto& pickle) {
    return std::any_of(pickle.globals.begin(), pickle.globals.end(),
                       [](const auto& global) { return global.trust == checkpoint::Trust::kUnknown; });
  });
} catch (const Error& error) {
  if (error.code() != ErrorCode::kLimit) throw;
  return false;  // a tree may have more names than a list takes
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  checkpoint::LoadOptions options;
  options.check_crc = false;
  options.inflated_bytes = std::uint64_t{16} << 20;
  options.resolved_bytes = std::uint64_t{16} << 20;
  options.pickle.memory = std::uint64_t{16} << 20;
  std::optional<std::vector<std::byte>> first;
  try {
    first = saved(checkpoint::load(std::as_bytes(std::span(data, size)), options));
  } catch (const Error&) {
    return 0;
  }
  if (!first) return 0;
  // Whatever we write we read: an Error from here on is a fault, and so are other bytes.
  const Value again = checkpoint::load(*first);
  const auto second = saved(again);
  if (!second || *second != *first) __builtin_trap();
  if (could_run_code(*first)) __builtin_trap();
  return 0;
}
