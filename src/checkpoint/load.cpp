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
  require(index < tensors.size(), ErrorCode::kIndexOutOfRange, "checkpoint", "tensor ", index, " of ",
          tensors.size());
  return store->array(tensors[index]);
}

Array detail::TensorStore::array(const TensorInfo& tensor) const {
  const std::size_t word = dtype_info(tensor.dtype).word;
  if (last_storage_ != tensor.storage || last_word_ != word) {
    last_storage_.reset();
    last_ = {};  // before the next one takes memory
    last_ = read(tensor);
    last_storage_ = tensor.storage;
    last_word_ = word;
  }
  const Array array(last_, tensor.dtype, tensor.geometry);
  return resolve_lazy_bits(array, tensor.is_conj, tensor.is_neg, options_.resolved_bytes);
}

}  // namespace sconce::checkpoint
