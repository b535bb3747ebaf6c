#include "sconce/checkpoint/load.h"

#include "checkpoint/sniff.h"
#include "checkpoint/stored_tensor.h"
#include "checkpoint/tensor_store.h"
#include "sconce/checkpoint/listing.h"

namespace sconce::checkpoint {
namespace {

Source open_file(const std::string& path, bool map) {
  refuse_directory(path);
  auto file = std::make_shared<File>(File::open(path));
  return {file, map && file->size() > 0 ? std::make_shared<MappedFile>(*file) : nullptr};
}

}  // namespace

Value load(const std::string& path, const LoadOptions& options) {
  try {
    Source source = open_file(path, options.map);
    const Reader reader = reader_for(*source.bytes);
    return reader.load(std::move(source), options);
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

Value load(std::span<const std::byte> bytes, const LoadOptions& options) {
  Source source{std::make_shared<MemorySource>(bytes), nullptr};
  const Reader reader = reader_for(*source.bytes);
  return reader.load(std::move(source), options);
}

Listing describe(const std::string& path, const LoadOptions& options) {
  try {
    Source source = open_file(path, false);
    const Reader reader = reader_for(*source.bytes);
    return reader.list(std::move(source), options);
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

Listing describe(std::span<const std::byte> bytes, const LoadOptions& options) {
  Source source{std::make_shared<MemorySource>(bytes), nullptr};
  const Reader reader = reader_for(*source.bytes);
  return reader.list(std::move(source), options);
}

Array Listing::read(std::size_t index) const {
  const TensorInfo& info = tensors.at(index);
  const Array array(store->read(info), info.dtype, info.geometry);
  return info.is_conj || info.is_neg ? resolve_lazy_bits(array, info.is_conj, info.is_neg) : array;
}

}  // namespace sconce::checkpoint
