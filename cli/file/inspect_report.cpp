#include "file/inspect_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "common/json_members.h"
#include "common/terminal.h"
#include "common/text_format.h"
#include "sconce/base/text.h"
#include "sconce/checkpoint/objects.h"
#include "sconce/state/repr.h"
#include "sconce/toolbox/code_warnings.h"
#include "sconce/toolbox/leaves.h"

namespace sconce::cli {
namespace {

constexpr std::size_t kDeepestLine = 32;  // of the tree: deeper keys share a line, "a.b.c"

using checkpoint::TensorInfo;

// NaN and infinities are null; the counts beside them say why.
Json stats_json(const toolbox::TensorStats& stats) {
  return {{"min", number_or_null(stats.min)},
          {"max", number_or_null(stats.max)},
          {"mean", number_or_null(stats.mean)},
          {"std", number_or_null(stats.std)},
          {"nan", stats.nan},
          {"inf", stats.infinite},
          {"zeros", stats.zeros}};
}

// A key path as JSON: strings and ints that fit 64 bits as they are, {"repr": ...} for other keys, so that
// two paths are equal only when the keys are.
Json path_json(const std::vector<Value>& path) {
  Json out = Json::array();
  for (const Value& key : path) {
    if (key.is_string()) {
      out.push_back(key.as_string());
    } else if (key.is_int() && !key.is_big_int()) {
      out.push_back(key.as_int());
    } else {
      out.push_back({{"repr", value_repr(key)}});
    }
  }
  return out;
}

Json quantization_json(const Quantization& quantization) {
  Json out = {{"scheme", quantization.scheme}};
  if (quantization.scheme.starts_with("per_tensor")) {
    out["scale"] = number_or_null(quantization.scale);
    out["zero_point"] = quantization.zero_point;
  } else {
    out["axis"] = quantization.axis;
  }
  return out;
}

Json tensor_json(const Inspection& inspection, const InspectedTensor& tensor) {
  const TensorInfo& info = inspection.listing.tensors[tensor.index];
  Json out;
  out["name"] = info.name;
  out["dtype"] = dtype_name(info.dtype);
  out["shape"] = info.value_geometry().shape.to_vector();
  out["stride"] = info.value_geometry().strides.to_vector();
  out["bytes"] = info.bytes();
  out["storage"] = info.storage;
  out["offset"] = info.value_geometry().offset;
  out["alias_of"] = info.alias_of ? Json(inspection.listing.tensors[*info.alias_of].name) : Json(nullptr);
  out["requires_grad"] = info.requires_grad;
  out["path"] = path_json(info.path);
  out["device"] = info.device;
  if (!info.role.empty()) out["part"] = info.role;
  if (!info.file.empty()) out["file"] = info.file;
  if (info.quantization) out["quantization"] = quantization_json(*info.quantization);
  if (info.shard_of) {
    out["shard_of"] = {{"shape", info.shard_of->shape.to_vector()},
                       {"placements", info.shard_of->placements}};
  }
  if (!tensor.sha256.empty()) out["sha256"] = tensor.sha256;
  if (tensor.stats) out["stats"] = stats_json(*tensor.stats);
  return out;
}

// Objects stand under "objects" by class; those whose content is understood are values, too.
bool is_plain(const Value& value) { return !value.is_object() || checkpoint::is_understood(value); }

// What deserves a word beside a tensor's row.
std::string remarks(const Inspection& inspection, const TensorInfo& info) {
  std::string out;
  const auto add = [&out](const std::string& text) { out += cat(out.empty() ? "" : ", ", text); };
  if (!info.role.empty()) add(info.role);
  if (info.alias_of) add(cat("shares ", escaped(inspection.listing.tensors[*info.alias_of].name)));
  if (!info.value_geometry().is_contiguous())
    add(cat("strides ", Shape(info.value_geometry().strides).str()));
  if (info.bare_storage != BareStorage::kNo) add("storage");
  if (info.is_parameter) add("parameter");
  if (info.requires_grad && !info.is_parameter) add("requires grad");
  if (info.is_conj) add("conjugated");
  if (info.is_neg) add("negated");
  if (info.quantization) add(info.quantization->scheme);
  if (info.shard_of)
    add(cat("part of ", info.shard_of->shape.str(), ": ", escaped(placements_text(*info.shard_of))));
  if (!info.device.empty() && info.device != "cpu") add(escaped(info.device));
  return out;
}

std::string tensor_table(const Inspection& inspection) {
  const bool has_stats = std::any_of(inspection.tensors.begin(), inspection.tensors.end(),
                                     [](const InspectedTensor& tensor) { return tensor.stats.has_value(); });
  const bool has_digest = !inspection.tensors.empty() && !inspection.tensors.front().sha256.empty();
  std::vector<std::string> header = {"name", "dtype", "shape", "bytes"};
  std::vector<bool> right = {false, false, false, true};
  if (has_stats) {
    for (const char* column : {"min", "max", "mean", "std", "nan", "inf", "zeros"}) {
      header.emplace_back(column);
      right.push_back(true);
    }
  }
  if (has_digest) {
    header.emplace_back("sha256");
    right.push_back(false);
  }
  header.emplace_back("");
  right.push_back(false);

  TextTable table(header, right);
  for (const InspectedTensor& tensor : inspection.tensors) {
    const TensorInfo& info = inspection.listing.tensors[tensor.index];
    std::vector<std::string> row = {info.name.empty() ? "(the tensor)" : std::string(escaped(info.name)),
                                    std::string(dtype_name(info.dtype)), info.value_geometry().shape.str(),
                                    human_bytes(info.bytes())};
    if (has_stats && tensor.stats) {
      const auto& stats = *tensor.stats;
      for (const double value : {stats.min, stats.max, stats.mean, stats.std})
        row.push_back(short_number(value));
      for (const std::int64_t count : {stats.nan, stats.infinite, stats.zeros})
        row.push_back(std::to_string(count));
    } else if (has_stats) {
      row.insert(row.end(), 7, "-");
    }
    if (has_digest) row.push_back(tensor.sha256);
    row.push_back(remarks(inspection, info));
    table.add_row(std::move(row));
  }
  return table.str();
}

std::string headline(const Inspection& inspection) {
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
  for (const InspectedTensor& tensor : inspection.tensors) {
    const TensorInfo& info = inspection.listing.tensors[tensor.index];
    elements += static_cast<std::uint64_t>(info.value_geometry().numel());
    bytes += info.bytes();
  }
  const std::size_t all = inspection.listing.tensors.size();
  const std::string shown = inspection.tensors.size() == all
                                ? fmt::format("{} tensor{}", all, all == 1 ? "" : "s")
                                : fmt::format("{} of {} tensors", inspection.tensors.size(), all);
  return fmt::format("{}: {}, {}\n{}, {} elements, {}; crc: {}\n", escaped(inspection.path),
                     checkpoint::format_name(inspection.listing.format),
                     human_bytes(inspection.listing.file_size), shown, with_commas(elements),
                     human_bytes(bytes), is_checked(inspection) ? "checked" : "unchecked");
}

}  // namespace

bool is_checked(const Inspection& inspection) {
  using checkpoint::Format;
  const Format format = inspection.listing.format;
  // Where a format has no checksum, a file without tensors has none either.
  const bool has_none = format == Format::kTorchLegacy || format == Format::kTorchTar ||
                        format == Format::kSafetensors || format == Format::kSafetensorsIndex;
  return inspection.data_was_read && !has_none &&
         std::all_of(inspection.tensors.begin(), inspection.tensors.end(),
                     [&](const InspectedTensor& tensor) {
                       return inspection.listing.tensors[tensor.index].has_checksum;
                     });
}

Json inspection_json(const Inspection& inspection) {
  Json out;
  out["format"] = checkpoint::format_name(inspection.listing.format);
  out["path"] = inspection.path;
  out["bytes"] = inspection.listing.file_size;
  out["tensors"] = Json::array();
  for (const InspectedTensor& tensor : inspection.tensors)
    out["tensors"].push_back(tensor_json(inspection, tensor));
  JsonMembers values;
  Json leaves = Json::array();
  toolbox::for_each_leaf(inspection.listing, [&](const checkpoint::NamedLeaf& leaf) {
    if (leaf.value.is_array() || leaf.value.is_sparse()) return;
    const std::string text = checkpoint::value_text(leaf.value);
    if (is_plain(leaf.value)) values.set(leaf.name, text);
    leaves.push_back({{"name", leaf.name}, {"path", path_json(leaf.path)}, {"value", text}});
  });
  out["values"] = std::move(values).object();
  out["leaves"] = std::move(leaves);
  out["crc"] = is_checked(inspection) ? "checked" : "unchecked";
  JsonMembers objects;
  for (const auto& [name, type] : inspection.listing.objects) objects.set(name, type);
  out["objects"] = std::move(objects).object();
  out["globals"] = Json::array();
  for (const auto& global : inspection.listing.globals)
    out["globals"].push_back(global.module + "." + global.name);
  out["could_run_code"] = toolbox::code_warnings(inspection.listing.pickles);
  out["notes"] = inspection.listing.notes;
  return out;
}

std::string inspection_text(const Inspection& inspection) {
  std::string text = headline(inspection);
  for (const std::string& note : inspection.listing.notes) text += cat("note: ", note, "\n");
  if (!inspection.tensors.empty()) text += cat("\n", tensor_table(inspection));
  std::string values;
  toolbox::for_each_leaf(inspection.listing, [&values](const checkpoint::NamedLeaf& leaf) {
    if (leaf.value.is_array() || leaf.value.is_sparse()) return;
    values += fmt::format("  {}{}{}\n", escaped(leaf.name), leaf.name.empty() ? "" : " = ",
                          checkpoint::value_text(leaf.value));
  });
  if (!values.empty()) text += cat("\n", styled(Style::kBold, "other values"), "\n", values);
  return text;
}

std::string inspection_tree(const Inspection& inspection) {
  std::map<std::string, std::vector<const TensorInfo*>> chosen;  // several: the parts of a sparse tensor
  for (const InspectedTensor& tensor : inspection.tensors) {
    const TensorInfo& info = inspection.listing.tensors[tensor.index];
    chosen[info.name].push_back(&info);
  }
  std::string text = headline(inspection);
  std::vector<std::string> open;  // keys whose lines stand above
  const auto line = [&](const std::vector<Value>& path, const std::string& what) {
    std::vector<std::string> keys;
    for (const Value& key : path) {
      std::string word = escaped(checkpoint::key_name(key));
      if (keys.size() < kDeepestLine) {
        keys.push_back(std::move(word));
      } else {
        keys.back() += cat(".", word);
      }
    }
    std::size_t depth = 0;
    while (depth + 1 < keys.size() && depth < open.size() && open[depth] == keys[depth]) ++depth;
    open.resize(depth);
    for (; depth + 1 < keys.size(); ++depth) {
      text += std::string(2 * depth, ' ') + styled(Style::kBold, keys[depth]) + "\n";
      open.push_back(keys[depth]);
    }
    text += std::string(2 * depth, ' ') + (keys.empty() ? "" : keys.back() + "  ") + what + "\n";
  };
  toolbox::for_each_leaf(inspection.listing, [&](const checkpoint::NamedLeaf& leaf) {
    if (!leaf.value.is_array() && !leaf.value.is_sparse())
      return line(leaf.path, checkpoint::value_text(leaf.value));
    const auto tensors = chosen.find(leaf.name);
    if (tensors == chosen.end()) return;
    for (const TensorInfo* info : tensors->second) {
      const std::string remark = remarks(inspection, *info);
      line(leaf.path, fmt::format("{} {}{}{}", dtype_name(info->dtype), info->value_geometry().shape.str(),
                                  remark.empty() ? "" : "  ", remark));
    }
  });
  return text;
}

}  // namespace sconce::cli
