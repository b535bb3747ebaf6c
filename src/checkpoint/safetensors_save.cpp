#include <algorithm>
#include <bit>

#include "checkpoint/array_passer.h"
#include "checkpoint/flat_tensors.h"
#include "checkpoint/safetensors_alias.h"
#include "checkpoint/source.h"
#include "checkpoint/writers.h"
#include "sconce/base/byte_reader.h"
#include "sconce/core/expanded.h"

namespace sconce::checkpoint {
namespace {

using safetensors::Alias;
using safetensors::Header;

[[noreturn]] void refuse(const std::string& name, std::string_view why) {
  fail(ErrorCode::kUnsupported, "safetensors", "tensor '", escaped(name), "' ", why);
}

class SafetensorsFile : public PlannedFile {
 public:
  SafetensorsFile(std::vector<FlatTensor> tensors, std::vector<std::pair<std::string, std::string>> metadata)
      : tensors_(std::move(tensors)) {
    std::sort(tensors_.begin(), tensors_.end(), [](const FlatTensor& a, const FlatTensor& b) {
      const int rank_a = safetensors::dtype_rank(a.array.dtype());
      const int rank_b = safetensors::dtype_rank(b.array.dtype());
      return rank_a != rank_b ? rank_a > rank_b : a.name < b.name;
    });
    Header header;
    header.metadata = std::move(metadata);
    for (const FlatTensor& tensor : tensors_) {
      header.entries.push_back({tensor.name, tensor.array.dtype(), tensor.array.shape(), data_bytes_,
                                data_bytes_ + tensor.array.nbytes()});
      data_bytes_ += tensor.array.nbytes();
    }
    header_ = safetensors::write_header(header);
  }

  std::uint64_t size() const override { return header_.size() + data_bytes_; }

  void write(ByteSink& sink) const override {
    sink.write(header_);
    const bool needs_swap = std::endian::native == std::endian::big;
    ArrayPasser passer;
    for (const FlatTensor& tensor : tensors_) passer.expect(tensor.array);
    for (const FlatTensor& tensor : tensors_) {
      passer.pass(tensor.array, [&](std::span<const std::byte> piece) {
        if (!needs_swap) return sink.write(piece);
        std::vector<std::byte> bytes(piece.begin(), piece.end());
        swap_words(bytes, dtype_info(tensor.array.dtype()).word);
        sink.write(bytes);
      });
    }
  }

 private:
  std::vector<FlatTensor> tensors_;
  std::vector<std::byte> header_;
  std::uint64_t data_bytes_ = 0;
};

std::vector<FlatTensor> tensors_of(const Value& value, const NamedLimits& limits) {
  std::vector<FlatTensor> out = flat_tensors(value, "safetensors", limits);
  for (const FlatTensor& tensor : out) {
    refuse_expanded(tensor.array);
    const DTypeInfo& info = dtype_info(tensor.array.dtype());
    if (info.safetensors.empty())
      refuse(tensor.name, cat("has dtype ", info.name, ", which safetensors does not have"));
    if (tensor.name == "__metadata__" || !is_utf8(tensor.name) || tensor.name.size() > safetensors::kMaxName)
      refuse(tensor.name, "has a name that safetensors does not allow");
    if (safetensors::values_per_element(info.dtype) > 1 && tensor.array.rank() == 0)
      refuse(tensor.name, "holds several values without a dimension");
  }
  return out;
}

[[noreturn]] void refuse_sharing(const std::string& a, const std::string& b) {
  fail(ErrorCode::kUnsupported, "safetensors", "tensors '", escaped(a), "' and '", escaped(b),
       "' share memory, which safetensors cannot express; merge_aliases writes such a tensor once");
}

// Takes tensors out that are exactly another one, with the names of both.
std::vector<Alias> take_duplicates(std::vector<FlatTensor>& tensors, bool allowed) {
  std::vector<Alias> aliases;
  const auto repeated = duplicates(tensors);
  for (const auto& [other, first] : repeated) {
    if (!allowed) refuse_sharing(tensors[first].name, tensors[other].name);
    aliases.push_back({tensors[other].name, tensors[first].name});
  }
  std::vector<FlatTensor> kept;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!repeated.contains(i)) kept.push_back(std::move(tensors[i]));
  }
  tensors = std::move(kept);
  return aliases;
}

// Views that overlap otherwise become copies, each with a warning.
void note_overlaps(const std::vector<FlatTensor>& tensors, bool allowed, SaveReport& report) {
  for (const auto& [first, other] : overlapping(tensors)) {
    if (!allowed) refuse_sharing(tensors[first].name, tensors[other].name);
    report.warnings.push_back(cat("tensors ", escaped(tensors[first].name), " and ",
                                  escaped(tensors[other].name),
                                  " overlap in memory and are written as copies"));
  }
}

}  // namespace

std::unique_ptr<PlannedFile> plan_safetensors(const Value& value, const SaveOptions& options,
                                              const std::string&, SaveReport& report) {
  require(value.is_dict(), ErrorCode::kUnsupported, "safetensors", "expected a dict of tensors, found ",
          value_kind_name(value.kind()));
  std::vector<FlatTensor> tensors = tensors_of(value, options.walk);
  note_other_leaves(value, "safetensors", options.walk, report);
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
  const auto aliases = take_duplicates(tensors, options.merge_aliases);
  note_overlaps(tensors, options.merge_aliases, report);
  safetensors::put_aliases(aliases, metadata);
  return std::make_unique<SafetensorsFile>(std::move(tensors), std::move(metadata));
}

}  // namespace sconce::checkpoint
