#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <set>

#include "checkpoint/safetensors_header.h"
#include "checkpoint/source.h"
#include "checkpoint/writers.h"
#include "sconce/base/byte_reader.h"
#include "sconce/checkpoint/named.h"
#include "sconce/core/expanded.h"

namespace sconce::checkpoint {
namespace {

using safetensors::Entry;
using safetensors::Header;

[[noreturn]] void refuse(const std::string& name, std::string_view why) {
  fail(ErrorCode::kUnsupported, "safetensors", "tensor '", escaped(name), "' ", why);
}

struct Tensor {
  std::string name;
  Array array;
};

// Bytes of the storage that a tensor touches.
struct Extent {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::size_t tensor = 0;
};

Extent extent_of(const Array& array, std::size_t index) {
  const auto size = static_cast<std::int64_t>(array.itemsize());
  return {array.offset() * size, array.geometry().required_elements() * size, index};
}

class SafetensorsFile : public PlannedFile {
 public:
  SafetensorsFile(std::vector<Tensor> tensors, std::vector<std::pair<std::string, std::string>> metadata)
      : tensors_(std::move(tensors)) {
    std::sort(tensors_.begin(), tensors_.end(), [](const Tensor& a, const Tensor& b) {
      const int rank_a = safetensors::dtype_rank(a.array.dtype());
      const int rank_b = safetensors::dtype_rank(b.array.dtype());
      return rank_a != rank_b ? rank_a > rank_b : a.name < b.name;
    });
    Header header;
    header.metadata = std::move(metadata);
    for (const Tensor& tensor : tensors_) {
      header.entries.push_back({tensor.name, tensor.array.dtype(), tensor.array.shape(), data_bytes_,
                                data_bytes_ + tensor.array.nbytes()});
      data_bytes_ += tensor.array.nbytes();
    }
    header_ = safetensors::write_header(header);
  }

  std::uint64_t size() const override { return header_.size() + data_bytes_; }

  void write(ByteSink& sink) const override {
    sink.write(header_);
    for (const Tensor& tensor : tensors_) {
      const bool needs_swap = std::endian::native == std::endian::big;
      if (tensor.array.is_contiguous() && !needs_swap) {
        sink.write({tensor.array.raw(), tensor.array.nbytes()});
        continue;
      }
      std::vector<std::byte> bytes(tensor.array.nbytes());
      copy_to_contiguous(tensor.array, bytes);
      if (needs_swap) swap_words(bytes, dtype_info(tensor.array.dtype()).word);
      sink.write(bytes);
    }
  }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::byte> header_;
  std::uint64_t data_bytes_ = 0;
};

std::vector<Tensor> tensors_of(const Value& value) {
  std::vector<Tensor> out;
  std::set<std::string> names;
  for (const NamedLeaf& leaf : named_arrays(value)) {
    if (leaf.value.is_sparse()) refuse(leaf.name, "is sparse; safetensors holds dense tensors only");
    const Array& array = leaf.value.as_array();
    require(array.defined(), ErrorCode::kInvalidArgument, "safetensors", "tensor '", escaped(leaf.name),
            "' is undefined");
    refuse_expanded(array);
    const DTypeInfo& info = dtype_info(array.dtype());
    if (info.safetensors.empty())
      refuse(leaf.name, cat("has dtype ", info.name, ", which safetensors does not have"));
    if (leaf.name == "__metadata__" || !is_utf8(leaf.name))
      refuse(leaf.name, "has a name that safetensors does not allow");
    if (array.dtype() == kFloat4E2M1FNx2 && array.rank() == 0)
      refuse(leaf.name, "holds a pair of values without a dimension");
    if (!names.insert(leaf.name).second) refuse(leaf.name, "would have the name of another tensor");
    out.push_back({leaf.name, array});
  }
  return out;
}

// Everything that is not a tensor has no place in the format.
void note_other_leaves(const Value& value, SaveReport& report) {
  for (const NamedLeaf& leaf : named_scalars(value)) {
    report.warnings.push_back(cat("left out ", escaped(leaf.name), " (", value_kind_name(leaf.value.kind()),
                                  "): safetensors holds tensors only"));
  }
}

// Finds tensors that share memory. Exact duplicates leave `tensors` for `metadata` when that is allowed;
// views that only overlap become copies then.
void merge_aliases(std::vector<Tensor>& tensors, const SaveOptions& options, SaveReport& report,
                   std::vector<std::pair<std::string, std::string>>& metadata) {
  std::map<const void*, std::vector<Extent>> by_storage;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].array.numel() > 0) {
      by_storage[tensors[i].array.storage().id()].push_back(extent_of(tensors[i].array, i));
    }
  }
  std::vector<bool> is_removed(tensors.size());
  for (auto& [storage, extents] : by_storage) {
    std::stable_sort(extents.begin(), extents.end(),
                     [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
    std::size_t reaching = 0;  // the extent that ends last so far
    for (std::size_t i = 1; i < extents.size(); ++i) {
      const Tensor& kept = tensors[extents[reaching].tensor];
      const Tensor& other = tensors[extents[i].tensor];
      if (extents[i].begin < extents[reaching].end) {
        require(options.merge_aliases, ErrorCode::kUnsupported, "safetensors", "tensors '",
                escaped(kept.name), "' and '", escaped(other.name),
                "' share memory, which safetensors cannot express");
        if (kept.array.dtype() == other.array.dtype() && kept.array.geometry() == other.array.geometry()) {
          is_removed[extents[i].tensor] = true;
          metadata.emplace_back(other.name, kept.name);
        } else {
          report.warnings.push_back(cat("tensors ", escaped(kept.name), " and ", escaped(other.name),
                                        " overlap in memory and are written as copies"));
        }
      }
      if (extents[i].end > extents[reaching].end) reaching = i;
    }
  }
  std::size_t left = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (is_removed[i]) continue;
    if (left != i) tensors[left] = std::move(tensors[i]);
    ++left;
  }
  tensors.resize(left);
}

}  // namespace

std::unique_ptr<PlannedFile> plan_safetensors(const Value& value, const SaveOptions& options,
                                              const std::string&, SaveReport& report) {
  require(value.is_dict(), ErrorCode::kUnsupported, "safetensors", "expected a dict of tensors, found ",
          value_kind_name(value.kind()));
  std::vector<Tensor> tensors = tensors_of(value);
  note_other_leaves(value, report);
  std::vector<std::pair<std::string, std::string>> metadata;
  bool has_format = false;
  if (const auto given = value.attribute("__metadata__"); given && given->is_dict()) {
    for (const auto& [key, text] : given->items()) {
      require(key.is_string() && text.is_string(), ErrorCode::kUnsupported, "safetensors",
              "the keys and values of __metadata__ must be str");
      metadata.emplace_back(key.as_string(), text.as_string());
      has_format = has_format || key.as_string() == "format";
    }
  }
  // Libraries on top of safetensors look for the framework here.
  if (!has_format) metadata.emplace(metadata.begin(), "format", "pt");
  merge_aliases(tensors, options, report, metadata);
  return std::make_unique<SafetensorsFile>(std::move(tensors), std::move(metadata));
}

}  // namespace sconce::checkpoint
