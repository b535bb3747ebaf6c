// Any bytes: salvage either works or throws Error, and every tensor that it gives back stands, byte for byte,
// in the input.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>

#include "sconce/base/error.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/salvage.h"
#include "sconce/checkpoint/save.h"

namespace {

using namespace sconce;

// Deflated, byte-swapped and conjugated bytes are not there as they are, which only such a file can explain.
bool stands_in(std::span<const std::byte> input, const Array& array) {
  const std::span<const std::byte> bytes(array.storage().data(), array.storage().size());
  return std::search(input.begin(), input.end(), bytes.begin(), bytes.end()) != input.end();
}

bool has_word(std::span<const std::byte> input, std::string_view word) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  return text.find(word) != std::string_view::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  checkpoint::LoadOptions options;
  options.inflated_bytes = std::uint64_t{16} << 20;
  options.resolved_bytes = std::uint64_t{16} << 20;
  options.pickle.memory = std::uint64_t{16} << 20;
  try {
    const checkpoint::Salvage salvage = checkpoint::salvage(bytes, options);
    std::multiset<std::string> recovered;
    for (const auto& tensor : salvage.recovered) recovered.insert(tensor.name);
    const bool is_plain = !has_word(bytes, "conj") && !has_word(bytes, "neg") && !has_word(bytes, "big") &&
                          !has_word(bytes, std::string_view("\x08\0", 2));
    std::multiset<std::string> given;
    for (const auto& leaf : checkpoint::named_arrays(salvage.value)) {
      given.insert(leaf.name);
      if (leaf.value.is_array() && is_plain && !stands_in(bytes, leaf.value.as_array())) __builtin_trap();
    }
    if (given != recovered) __builtin_trap();
    MemorySink sink;
    checkpoint::save(sink, salvage.value, {.keep_objects = true});
  } catch (const Error&) {
  }
  return 0;
}
