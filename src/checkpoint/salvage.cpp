#include "sconce/checkpoint/salvage.h"

#include <exception>
#include <filesystem>
#include <memory>
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
  for (const NamedLeaf& leaf : named_arrays(value)) out.recovered.push_back({leaf.name, false});
  out.value = std::move(value);
  return out;
}

Source open_file(const std::string& path) { return {std::make_shared<File>(File::open(path)), nullptr}; }

}  // namespace

Salvage salvage(const std::string& path, const LoadOptions& options) {
  try {
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored)) {
      Source source = open_file(path);
      const Reader reader = reader_for(*source.bytes);
      if (reader.salvage != nullptr) return reader.salvage(std::move(source), options);
    }
    return salvage_whole(load(path, options), describe(path, options));
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

Salvage salvage(std::span<const std::byte> bytes, const LoadOptions& options) {
  Source source{std::make_shared<MemorySource>(bytes), nullptr};
  const Reader reader = reader_for(*source.bytes);
  if (reader.salvage != nullptr) return reader.salvage(std::move(source), options);
  return salvage_whole(load(bytes, options), describe(bytes, options));
}

bool can_salvage(const std::string& path, const LoadOptions& options) {
  try {
    Source source = open_file(path);
    const Reader reader = reader_for(*source.bytes);
    return reader.can_salvage != nullptr && reader.can_salvage(std::move(source), options);
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace sconce::checkpoint
