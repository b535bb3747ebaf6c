// What a pickle says about storages and tensors, before any of their bytes is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/core/array.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

// A storage as its persistent id describes it.
struct StorageInfo {
  std::string key;             // names the record data/<key>
  std::optional<DType> dtype;  // nullopt: untyped, the tensors say what the bytes are
  std::uint64_t bytes = 0;
  std::string location;                // "cpu", "cuda:0": a hint where PyTorch would put it
  std::optional<std::uint32_t> place;  // where its file found it, as StorageFile::find() notes it
  bool is_in_file =
      true;         // false: an empty storage that a tensor of PyTorch 0.1 has without one in the file,
  Storage content;  // or elements that stand in the pickle itself: these
};

// A tensor over a storage. Lazily conjugated or negated views say so: their values are those of the storage
// with the operation still to be done.
struct StoredTensor {
  std::size_t storage = 0;  // index among the reader's storages
  DType dtype = kFloat32;
  Geometry geometry;
  bool is_conj = false;
  bool is_neg = false;
};

// The bytes of a tensor of quint4x2 or quint2x4 with these sizes and strides, contiguous from its offset on,
// which PyTorch counts in bytes: with the tensor's dimensions where rows are whole bytes, else in one.
// Errors: those of Geometry::required_elements().
Geometry packed_bytes(const Geometry& values, DType dtype);

// Throws Error kUnsupported for a tensor that PyTorch and numpy have no dtype for. `where` is the throwing
// part, as in Error.
[[noreturn]] void refuse_foreign(DType dtype, std::string_view where, std::string_view path);

// A tensor or one part of a sparse or quantized one.
struct StoredPart {
  std::string role;  // "" for the tensor itself, else "indices", "values", "scales", ...
  StoredTensor tensor;
};

// What is known of a tensor whether or not its elements are there.
struct TensorKind {
  DType dtype = kFloat32;
  Shape shape;
};

// True for a dense tensor; a storage saved by itself is none.
inline bool is_dense_tensor(const Value& value) {
  return value.is_array() && value.as_tensor().bare_storage == BareStorage::kNo;
}

// Where a reader of pickles gets storages and arrays from.
class TensorBackend {
 public:
  virtual ~TensorBackend() = default;
  // How many bytes the file holds of a storage; Error kNotFound when it has none of that key. May note in it
  // where it is.
  virtual std::uint64_t storage_size(StorageInfo& storage) = 0;
  // The array of a tensor that lies within its storage; undefined when only descriptions are wanted.
  virtual Array make(const StoredTensor& tensor, const StorageInfo& storage) = 0;
  // Whether a sparse tensor whose parts cannot belong together is an Error kCorrupt; whoever asks for no such
  // thing finds out by sparse_fault().
  virtual bool refuses_misfits() const { return false; }
};

// `array` itself, or a contiguous copy with its elements conjugated and negated as asked; Error kLimit when
// the copy would have more than `limit` bytes.
Array resolve_lazy_bits(const Array& array, bool conj, bool neg, std::uint64_t limit);

}  // namespace sconce::checkpoint
