#include "checkpoint/flat_tensors.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "checkpoint/stored_tensor.h"
#include "sconce/base/error.h"
#include "sconce/checkpoint/named.h"

namespace sconce::checkpoint {
namespace {

// A reader has the shape alone, and strides to make of it, also of no elements: (0, 2^62, 2^62) has none.
void require_strides(const NamedLeaf& leaf, std::string_view format) {
  try {
    contiguous_strides(leaf.value.as_array().shape());
  } catch (const Error& error) {
    fail(error.code(), format, "tensor '", escaped(leaf.name),
         "' has a shape beyond 64 bits: ", error.text());
  }
}

}  // namespace

std::vector<FlatTensor> flat_tensors(const Value& value, std::string_view format, const NamedLimits& limits) {
  std::vector<FlatTensor> out;
  std::set<std::string> names;
  for (const NamedLeaf& leaf : named_arrays(value, limits)) {
    require(!leaf.value.is_sparse(), ErrorCode::kUnsupported, format, "tensor '", escaped(leaf.name),
            "' is sparse; ", format, " holds dense tensors only");
    const Array& array = leaf.value.as_array();
    require(array.defined(), ErrorCode::kInvalidArgument, format, "tensor '", escaped(leaf.name),
            "' is undefined");
    require_strides(leaf, format);
    require(names.insert(leaf.name).second, ErrorCode::kUnsupported, format,
            "two tensors would have the name '", escaped(leaf.name), "'");
    out.push_back({leaf.name, array});
  }
  return out;
}

void note_other_leaves(const Value& value, std::string_view format, const NamedLimits& limits,
                       SaveReport& report) {
  for (const NamedLeaf& leaf : named_arrays(value, limits)) {
    if (!leaf.value.is_array() || is_dense_tensor(leaf.value)) continue;
    report.warnings.push_back(
        cat("the storage ", escaped(leaf.name), " becomes a tensor: ", format, " holds tensors only"));
  }
  for (const NamedLeaf& leaf : named_scalars(value, limits)) {
    report.warnings.push_back(cat("left out ", escaped(leaf.name), " (", value_kind_name(leaf.value.kind()),
                                  "): ", format, " holds tensors only"));
  }
}

std::map<std::size_t, std::size_t> duplicates(const std::vector<FlatTensor>& tensors) {
  using Sizes = std::vector<std::int64_t>;
  std::map<std::tuple<const void*, DType, std::int64_t, Sizes, Sizes>, std::size_t> seen;
  std::map<std::size_t, std::size_t> out;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Array& array = tensors[i].array;
    if (array.numel() == 0) continue;
    const auto [first, fresh] = seen.try_emplace({array.storage().id(), array.dtype(), array.offset(),
                                                  array.shape().to_vector(), array.strides().to_vector()},
                                                 i);
    if (!fresh) out.emplace(i, first->second);
  }
  return out;
}

std::vector<std::pair<std::size_t, std::size_t>> overlapping(const std::vector<FlatTensor>& tensors) {
  struct Extent {
    std::int64_t begin;  // bytes of the storage
    std::int64_t end;
    std::size_t tensor;
  };
  std::map<const void*, std::vector<Extent>> by_storage;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Array& array = tensors[i].array;
    if (array.numel() == 0) continue;
    const auto size = static_cast<std::int64_t>(array.itemsize());
    by_storage[array.storage().id()].push_back(
        {array.offset() * size, array.geometry().required_elements() * size, i});
  }
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (auto& [storage, extents] : by_storage) {
    std::stable_sort(extents.begin(), extents.end(),
                     [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
    std::size_t reaching = 0;  // the extent that ends last so far
    for (std::size_t i = 1; i < extents.size(); ++i) {
      if (extents[i].begin < extents[reaching].end) {
        out.emplace_back(extents[reaching].tensor, extents[i].tensor);
      }
      if (extents[i].end > extents[reaching].end) reaching = i;
    }
  }
  std::sort(out.begin(), out.end());  // by_storage is in the order of addresses
  return out;
}

}  // namespace sconce::checkpoint
