// Any bytes as .npy or .npz: loading and listing either work or throw Error, and what was loaded survives
// being saved.
#include <cstddef>
#include <cstdint>

#include "sconce/base/error.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/save.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sconce;
  // The first byte decides how it begins, so that mutations need not find the magic numbers.
  if (size < 1) return 0;
  std::vector<std::byte> file;
  const auto begin_with = [&](std::string_view magic) {
    for (const char c : magic) file.push_back(static_cast<std::byte>(c));
  };
  if (data[0] == 1) begin_with("\x93NUMPY\x01");
  const auto rest = std::as_bytes(std::span(data + 1, size - 1));
  file.insert(file.end(), rest.begin(), rest.end());
  checkpoint::LoadOptions options;
  options.check_crc = false;
  options.inflated_bytes = std::uint64_t{16} << 20;
  options.pickle.memory = std::uint64_t{16} << 20;
  try {
    const checkpoint::Listing listing = checkpoint::describe(file, options);
    for (std::size_t i = 0; i < listing.tensors.size(); ++i) listing.read(i);
  } catch (const Error&) {
  }
  try {
    const Value value = checkpoint::load(file, options);
    MemorySink sink;
    checkpoint::save(sink, value, {.format = checkpoint::Format::kNpz});
    const Value again = checkpoint::load(sink.bytes());
    if (value.is_dict() && again.size() != value.size()) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
