#include "checkpoint/sparse_check.h"

#include <algorithm>
#include <cstring>

#include "checkpoint/read_limits.h"
#include "sconce/base/error.h"
#include "sconce/core/expanded.h"

namespace sconce::checkpoint {
namespace {

// One row of an array of int32 or int64.
class IndexRow {
 public:
  IndexRow(const Array& array, std::int64_t offset)
      : first_(array.storage().data()),
        offset_(array.offset() + offset),
        stride_(array.rank() == 0 ? 0 : array.strides().back()),
        is_wide_(array.dtype() == kInt64) {}

  std::int64_t operator[](std::int64_t i) const {
    const std::byte* at = first_ + (offset_ + i * stride_) * (is_wide_ ? 8 : 4);
    if (!is_wide_) return read<std::int32_t>(at);
    return read<std::int64_t>(at);
  }

 private:
  template <class T>
  static T read(const std::byte* at) {
    T out;
    std::memcpy(&out, at, sizeof(T));
    return out;
  }
  const std::byte* first_;
  std::int64_t offset_;
  std::int64_t stride_;
  bool is_wide_;
};

bool begins_with(const Dims& dims, std::span<const std::int64_t> first) {
  return dims.size() >= first.size() && std::equal(first.begin(), first.end(), dims.begin());
}

std::string bad_index(const std::string& name, const std::string& place, std::int64_t found,
                      const std::string& expected) {
  return cat(name, "[", place, "] is ", found, ", expected ", expected);
}

// indices (sparse dims, nnz), values (nnz, dense dims...).
std::string coo_misfit(const SparseLeaf& leaf, const TensorKind& indices, const Shape& values) {
  if (indices.dtype != kInt64 || indices.shape.size() != 2) return "its indices are no matrix of int64";
  const auto sparse_dims = static_cast<std::size_t>(indices.shape[0]);
  if (!values.empty() && values[0] == indices.shape[1] &&
      leaf.size.size() == sparse_dims + values.size() - 1 &&
      std::equal(values.begin() + 1, values.end(), leaf.size.begin() + sparse_dims)) {
    return {};
  }
  return cat("indices of shape ", indices.shape.str(), " and values of shape ", values.str(),
             " do not make a tensor of shape ", leaf.size.str());
}

std::string coo_fault(const SparseLeaf& leaf) {
  const Array& indices = leaf.indices;
  const auto sparse_dims = static_cast<std::size_t>(indices.size(0));
  const std::int64_t nnz = indices.size(1);
  for (std::size_t dim = 0; dim < sparse_dims; ++dim) {
    const IndexRow row(indices, static_cast<std::int64_t>(dim) * indices.strides()[0]);
    for (std::int64_t i = 0; i < nnz; ++i) {
      if (row[i] >= 0 && row[i] < leaf.size[dim]) continue;
      return bad_index("indices", cat(dim, ", ", i), row[i], cat("0 to ", leaf.size[dim] - 1));
    }
  }
  return {};
}

// What the parts of a compressed layout say together: for every index of the batch, `rows` ranges of the nnz
// plain indices, each of these below `columns`. Rows and columns are counted in blocks where there are any,
// and are columns and rows where columns are compressed.
struct Compressed {
  std::size_t batch = 0;  // dimensions
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t nnz = 0;
};

std::string compressed_misfit(const SparseLeaf& leaf, const TensorKind& compressed, const TensorKind& plain,
                              const Shape& values, Compressed& out) {
  const bool is_integer = compressed.dtype == kInt64 || compressed.dtype == kInt32;
  if (!is_integer || compressed.dtype != plain.dtype) return "its indices are not int64 or int32";
  std::string misfit =
      cat("indices of shapes ", compressed.shape.str(), " and ", plain.shape.str(), " and values of shape ",
          values.str(), " do not make a tensor of shape ", leaf.size.str());
  if (compressed.shape.empty() || plain.shape.size() != compressed.shape.size()) return misfit;
  out.batch = compressed.shape.size() - 1;
  const bool has_blocks = leaf.layout == "sparse_bsr" || leaf.layout == "sparse_bsc";
  const std::size_t first_dense = out.batch + (has_blocks ? 3 : 1);
  // Batch, nnz, the block and the dense dimensions; a size has two dimensions for nnz and the block.
  if (values.size() < first_dense || leaf.size.size() != out.batch + 2 + values.size() - first_dense)
    return misfit;
  const std::span batch(leaf.size.begin(), out.batch);
  out.nnz = plain.shape.back();
  if (!begins_with(compressed.shape, batch) || !begins_with(plain.shape, batch) ||
      !begins_with(values, batch) || values[out.batch] != out.nnz ||
      !std::equal(values.begin() + first_dense, values.end(), leaf.size.begin() + out.batch + 2)) {
    return misfit;
  }
  std::int64_t height = leaf.size[out.batch];
  std::int64_t width = leaf.size[out.batch + 1];
  if (has_blocks) {
    const std::int64_t block_height = values[out.batch + 1];
    const std::int64_t block_width = values[out.batch + 2];
    if (block_height <= 0 || block_width <= 0 || height % block_height != 0 || width % block_width != 0)
      return misfit;
    height /= block_height;
    width /= block_width;
  }
  const bool by_rows = leaf.layout == "sparse_csr" || leaf.layout == "sparse_bsr";
  out.rows = by_rows ? height : width;
  out.columns = by_rows ? width : height;
  return compressed.shape.back() - 1 == out.rows ? std::string()
                                                 : misfit;  // sizes may be the largest there are
}

// One index of the batch; `place` is "1, " and so on.
std::string row_fault(const Compressed& parts, const IndexRow& compressed, const IndexRow& plain,
                      const std::string& place) {
  const auto bad_pointer = [&](std::int64_t i, const std::string& expected) {
    return bad_index("compressed_indices", cat(place, i), compressed[i], expected);
  };
  if (compressed[0] != 0) return bad_pointer(0, "0");
  for (std::int64_t i = 1; i <= parts.rows; ++i) {
    const std::int64_t before = compressed[i - 1];  // in 0 to nnz
    const std::int64_t most = std::min(parts.nnz, before + std::min(parts.columns, parts.nnz - before));
    if (compressed[i] < before || compressed[i] > most) return bad_pointer(i, cat(before, " to ", most));
  }
  if (compressed[parts.rows] != parts.nnz) return bad_pointer(parts.rows, cat(parts.nnz));
  for (std::int64_t i = 0; i < parts.nnz; ++i) {
    if (plain[i] >= 0 && plain[i] < parts.columns) continue;
    return bad_index("plain_indices", cat(place, i), plain[i], cat("0 to ", parts.columns - 1));
  }
  return {};
}

std::string compressed_fault(const SparseLeaf& leaf, const Compressed& parts) {
  if (std::any_of(leaf.size.begin(), leaf.size.begin() + parts.batch, [](auto n) { return n == 0; }))
    return {};
  Dims at(parts.batch);
  while (true) {
    std::int64_t compressed_offset = 0;
    std::int64_t plain_offset = 0;
    std::string place;
    for (std::size_t dim = 0; dim < parts.batch; ++dim) {
      compressed_offset += at[dim] * leaf.indices.strides()[dim];
      plain_offset += at[dim] * leaf.plain_indices.strides()[dim];
      place += cat(at[dim], ", ");
    }
    std::string fault = row_fault(parts, IndexRow(leaf.indices, compressed_offset),
                                  IndexRow(leaf.plain_indices, plain_offset), place);
    if (!fault.empty()) return fault;
    std::size_t dim = parts.batch;
    while (dim > 0 && ++at[dim - 1] == leaf.size[dim - 1]) at[--dim] = 0;
    if (dim == 0) return {};
  }
}

// `out` is for compressed layouts.
std::string misfit_of(const SparseLeaf& leaf, const std::vector<TensorKind>& parts, Compressed& out) {
  const Shape& values = parts.back().shape;
  if (leaf.size.size() > kMaxRank) return cat("it has ", leaf.size.size(), " dimensions, at most ", kMaxRank);
  for (const Dims* dims : {static_cast<const Dims*>(&leaf.size), static_cast<const Dims*>(&values)}) {
    if (std::any_of(dims->begin(), dims->end(), [](std::int64_t size) { return size < 0; }))
      return "a size is negative";
  }
  if (leaf.layout == "sparse_coo") return coo_misfit(leaf, parts[0], values);
  return compressed_misfit(leaf, parts[0], parts[1], values, out);
}

TensorKind kind_of(const Array& array) { return {array.dtype(), array.shape()}; }

}  // namespace

std::string sparse_misfit(const SparseLeaf& leaf, const std::vector<TensorKind>& parts) {
  Compressed ignored;
  return misfit_of(leaf, parts, ignored);
}

std::string sparse_fault(const SparseLeaf& leaf, const Shape& values) {
  const bool is_coo = leaf.layout == "sparse_coo";
  std::vector<TensorKind> parts{kind_of(leaf.indices)};
  if (!is_coo) parts.push_back(kind_of(leaf.plain_indices));
  parts.push_back({kFloat32, values});  // the dtype of values does not matter
  Compressed compressed;
  if (std::string misfit = misfit_of(leaf, parts, compressed); !misfit.empty()) return misfit;
  refuse_expanded(leaf.indices);
  if (is_coo) return coo_fault(leaf);
  refuse_expanded(leaf.plain_indices);
  return compressed_fault(leaf, compressed);
}

std::string sparse_fault(const SparseLeaf& leaf) {
  std::vector<Storage> unread;
  for (const Array* part : {&leaf.indices, &leaf.plain_indices}) {
    if (part->defined() && !part->storage().is_loaded()) unread.push_back(part->storage());
  }
  std::string fault = sparse_fault(leaf, leaf.values.shape());
  for (const Storage& storage : unread) storage.release();
  return fault;
}

}  // namespace sconce::checkpoint
