#include "sconce/checkpoint/salvage.h"

#include <exception>
#include <utility>

#include "checkpoint/sniff.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/named.h"

namespace sconce::checkpoint {
namespace {

// Where a format has no salvage of its own, a file is whole or lost.
Salvage salvage_whole(Value value, const Listing& listing) {
  Salvage out;
  out.format = listing.format;
  out.file_size = listing.file_size;
  for (const NamedLeaf& leaf : named_arrays(value, listing.walk)) out.recovered.push_back({leaf.name, false});
  out.value = std::move(value);
  return out;
}

}  // namespace

Salvage salvage(const std::string& path, const LoadOptions& options) {
  try {
    const Input input = open_input(path, false);
    if (input.reader.salvage != nullptr) return input.reader.salvage(input.source, options);
    return salvage_whole(load(path, options), describe(path, options));
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

Salvage salvage(std::span<const std::byte> bytes, const LoadOptions& options) {
  const Input input = open_input(bytes);
  if (input.reader.salvage != nullptr) return input.reader.salvage(input.source, options);
  return salvage_whole(load(bytes, options), describe(bytes, options));
}

bool can_salvage(const std::string& path, const LoadOptions& options) {
  try {
    const Input input = open_input(path, false);
    return input.reader.can_salvage != nullptr && input.reader.can_salvage(input.source, options);
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace sconce::checkpoint
