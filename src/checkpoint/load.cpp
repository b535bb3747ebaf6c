#include "sconce/checkpoint/load.h"

#include "checkpoint/sniff.h"
#include "checkpoint/stored_tensor.h"
#include "checkpoint/tensor_store.h"
#include "sconce/checkpoint/listing.h"

namespace sconce::checkpoint {

Value load(const std::string& path, const LoadOptions& options) {
  try {
    const Input input = open_input(path, options.map);
    return input.reader.load(input.source, options);
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

Value load(std::span<const std::byte> bytes, const LoadOptions& options) {
  const Input input = open_input(bytes);
  LoadOptions now = options;
  now.defer = false;  // the bytes are the caller's and may be gone by then
  return input.reader.load(input.source, now);
}

Listing describe(const std::string& path, const LoadOptions& options) {
  try {
    const Input input = open_input(path, false);
    Listing listing = input.reader.list(input.source, options);
    listing.path = path;
    listing.walk = options.walk;
    return listing;
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

Listing describe(std::span<const std::byte> bytes, const LoadOptions& options) {
  const Input input = open_input(bytes);
  Listing listing = input.reader.list(input.source, options);
  listing.walk = options.walk;
  return listing;
}

Array Listing::read(std::size_t index) const {
  require(index < tensors.size(), ErrorCode::kIndexOutOfRange, "checkpoint", "tensor ", index, " of ",
          tensors.size());
  try {
    return store->array(tensors[index]);
  } catch (const Error& error) {
    if (path.empty()) throw;
    throw error.in_file(path);
  }
}

void Listing::release() const { store->release(); }

Array detail::TensorStore::array(const TensorInfo& tensor) const {
  const std::size_t word = dtype_info(tensor.dtype).word;
  if (last_storage_ != tensor.storage || last_word_ != word) {
    release();
    last_ = read(tensor);
    last_storage_ = tensor.storage;
    last_word_ = word;
  }
  const Array array(last_, tensor.dtype, tensor.geometry);
  return resolve_lazy_bits(array, tensor.is_conj, tensor.is_neg, options_.resolved_bytes);
}

}  // namespace sconce::checkpoint
