#include "file/diff_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/terminal.h"
#include "common/text_format.h"
#include "sconce/base/text.h"
#include "sconce/state/repr.h"
#include "sconce/toolbox/digest.h"
#include "sconce/toolbox/leaves.h"
#include "sconce/toolbox/stats.h"

namespace sconce::cli {
namespace {

using checkpoint::Listing;
using checkpoint::TensorInfo;
using toolbox::Diff;
using toolbox::PairedBy;
using toolbox::TensorDifference;
using toolbox::TensorPair;

const char* paired_by_name(PairedBy paired_by) {
  switch (paired_by) {
    case PairedBy::kName:
      return "name";
    case PairedBy::kContent:
      return "content";
    case PairedBy::kContentAndName:
      return "content-and-name";
    case PairedBy::kWrapper:
      return "wrapper";
  }
  return "";
}

// Where a flat index lies: [3, 0, 2].
std::vector<std::int64_t> position_of(const Shape& shape, std::int64_t flat) {
  std::vector<std::int64_t> out(shape.size());
  for (std::size_t i = shape.size(); i-- > 0;) {
    out[i] = flat % shape[i];
    flat /= shape[i];
  }
  return out;
}

// ---- JSON

Json tensor_json(const TensorInfo& info) {
  Json out = {{"name", info.name},
              {"dtype", dtype_name(info.dtype)},
              {"shape", info.value_geometry().shape.to_vector()}};
  if (!info.role.empty()) out["part"] = info.role;
  return out;
}

Json numbers_json(const TensorDifference& numbers, const Shape& shape) {
  Json out = {{"elements", numbers.count},
              {"different", numbers.different},
              {"beyond_tolerance", numbers.beyond},
              {"non_finite", numbers.non_finite}};
  if (!numbers.has_numbers) return out;
  out["max_abs"] = number_or_null(numbers.max_absolute);
  out["mean_abs"] = number_or_null(numbers.mean_absolute);
  out["max_rel"] = number_or_null(numbers.max_relative);
  out["max_ulp"] = numbers.max_ulp ? Json(*numbers.max_ulp) : Json(nullptr);
  out["cosine"] = numbers.cosine ? Json(*numbers.cosine) : Json(nullptr);
  out["worst"] = numbers.max_absolute > 0 ? Json(position_of(shape, numbers.worst)) : Json(nullptr);
  return out;
}

const char* status_of(const TensorPair& pair) {
  if (!pair.is_same()) return "different";
  return pair.numbers->is_equal() ? "equal" : "near";
}

Json pair_json(const Comparison& comparison, const TensorPair& pair) {
  const TensorInfo& a = comparison.a->tensors[pair.a];
  const TensorInfo& b = comparison.b->tensors[pair.b];
  Json out = tensor_json(a);
  if (pair.paired_by != PairedBy::kName) {
    out["name_b"] = b.name;
    out["renamed_by"] = paired_by_name(pair.paired_by);
  }
  out["status"] = status_of(pair);
  if (a.dtype != b.dtype) out["dtype_b"] = dtype_name(b.dtype);
  if (a.value_geometry().shape != b.value_geometry().shape)
    out["shape_b"] = b.value_geometry().shape.to_vector();
  out["changes"] = pair.changes;
  if (pair.numbers) out["difference"] = numbers_json(*pair.numbers, a.geometry.shape);
  return out;
}

Json side_json(const std::string& name, const Listing& listing) {
  return {{"path", name},
          {"format", checkpoint::format_name(listing.format)},
          {"tensors", listing.tensors.size()}};
}

Json counts_json(const Comparison& comparison) {
  const Diff& diff = comparison.diff;
  return {{"equal", diff.count_equal()},         {"near", diff.count_near()},
          {"different", diff.count_different()}, {"renamed", diff.count_renamed()},
          {"ambiguous", diff.ambiguous.size()},  {"only_a", diff.only_a.size()},
          {"only_b", diff.only_b.size()},        {"values_equal", diff.equal_values},
          {"values_near", diff.near_values},     {"values_different", diff.values.size()},
          {"structure", diff.structure.size()}};
}

Json names_json(const Listing& listing, const std::vector<std::size_t>& indices) {
  Json out = Json::array();
  for (const std::size_t i : indices) out.push_back(tensor_json(listing.tensors[i]));
  return out;
}

// ---- text

std::string name_text(const std::string& name) {
  return name.empty() ? "(the tensor)" : std::string(escaped(name));
}

std::string tensor_text(const TensorInfo& info) {
  return fmt::format("{}{}  {} {}", name_text(info.name), info.role.empty() ? "" : cat(" [", info.role, "]"),
                     dtype_name(info.dtype), info.value_geometry().shape.str());
}

std::string pair_name(const Comparison& comparison, const TensorPair& pair) {
  const TensorInfo& a = comparison.a->tensors[pair.a];
  const TensorInfo& b = comparison.b->tensors[pair.b];
  std::string out = name_text(a.name);
  if (!a.role.empty()) out += cat(" [", a.role, "]");
  if (pair.paired_by != PairedBy::kName) out += cat(" -> ", name_text(b.name));
  return out;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += cat(out.empty() ? "" : ", ", text);
  return out;
}

std::string status_text(const TensorPair& pair) {
  if (!pair.is_same()) return styled(Style::kRed, "different");
  if (!pair.numbers->is_equal()) return styled(Style::kYellow, "near");
  return styled(Style::kGreen, "equal");
}

std::vector<std::string> pair_row(const Comparison& comparison, const TensorPair& pair) {
  const TensorInfo& a = comparison.a->tensors[pair.a];
  std::vector<std::string> row = {pair_name(comparison, pair), std::string(dtype_name(a.dtype)),
                                  a.value_geometry().shape.str(), status_text(pair)};
  std::vector<std::string> remarks = pair.changes;
  if (pair.numbers && !pair.numbers->is_equal()) {
    const TensorDifference& numbers = *pair.numbers;
    row.push_back(fmt::format("{}/{}", numbers.different, numbers.count));
    if (numbers.has_numbers) {
      row.push_back(short_number(numbers.max_absolute));
      row.push_back(short_number(numbers.max_relative));
      row.push_back(numbers.max_ulp ? std::to_string(*numbers.max_ulp) : "-");
      row.push_back(numbers.cosine ? fmt::format("{:.9f}", *numbers.cosine) : "-");
      if (numbers.max_absolute > 0 && a.geometry.rank() > 0) {
        remarks.push_back(
            fmt::format("worst at [{}]", fmt::join(position_of(a.geometry.shape, numbers.worst), ", ")));
      }
      if (numbers.non_finite > 0) remarks.push_back(fmt::format("{} with NaN or Inf", numbers.non_finite));
    } else {
      row.insert(row.end(), 4, "-");
    }
  } else {
    row.insert(row.end(), 5, "");
  }
  row.push_back(joined(remarks));
  return row;
}

std::string pairs_text(const Comparison& comparison, const DiffStyle& style) {
  TextTable table(
      {"tensor", "dtype", "shape", "", "differing", "max abs", "max rel", "max ulp", "cosine", ""},
      {false, false, false, false, true, true, true, true, true, false});
  bool is_empty = true;
  for (const TensorPair& pair : comparison.diff.tensors) {
    const bool is_plain = pair.paired_by == PairedBy::kName && pair.is_same() && pair.numbers->is_equal();
    const bool is_rename_alone =
        pair.paired_by != PairedBy::kName && pair.is_same() && pair.numbers->is_equal();
    if (is_rename_alone || (style.only_changed && is_plain)) continue;
    table.add_row(pair_row(comparison, pair));
    is_empty = false;
  }
  return is_empty ? std::string() : cat("\n", table.str());
}

std::string only_text(const char* title, const Listing& listing, const std::vector<std::size_t>& indices) {
  if (indices.empty()) return "";
  std::string out = cat("\n", styled(Style::kBold, title), "\n");
  for (const std::size_t i : indices) out += cat("  ", tensor_text(listing.tensors[i]), "\n");
  return out;
}

std::string renames_text(const Comparison& comparison) {
  std::string out;
  for (const TensorPair& pair : comparison.diff.tensors) {
    if (pair.paired_by == PairedBy::kName) continue;
    const char* why = pair.paired_by == PairedBy::kWrapper   ? "  (a wrapper's name)"
                      : pair.paired_by == PairedBy::kContent ? ""
                                                             : "  (several have this content; the names fit)";
    out += cat("  ", pair_name(comparison, pair), why, "\n");
  }
  if (!out.empty()) out = cat("\n", styled(Style::kBold, "renamed"), "\n", out);
  std::string unclear;
  const auto names = [](const Listing& listing, const std::vector<std::size_t>& indices) {
    std::vector<std::string> texts;
    texts.reserve(indices.size());
    for (const std::size_t i : indices) texts.push_back(name_text(listing.tensors[i].name));
    return joined(texts);
  };
  for (const auto& group : comparison.diff.ambiguous) {
    unclear += cat("  {", names(*comparison.a, group.a), "} -> {", names(*comparison.b, group.b), "}\n");
  }
  if (!unclear.empty())
    out +=
        cat("\n", styled(Style::kBold, "renamed, which to which is unclear (equal content)"), "\n", unclear);
  return out;
}

std::string values_text(const Comparison& comparison) {
  std::string out;
  for (const auto& change : comparison.diff.values) {
    const auto text = [](const std::optional<Value>& value) { return value ? value_repr(*value) : "absent"; };
    out += cat("  ", change.name.empty() ? "(the value)" : std::string(escaped(change.name)), ": ",
               text(change.a), " -> ", text(change.b), "\n");
  }
  return out.empty() ? "" : cat("\n", styled(Style::kBold, "other values"), "\n", out);
}

std::string structure_text(const Comparison& comparison) {
  std::string out;
  for (const auto& change : comparison.diff.structure) {
    const auto text = [](const std::string& side) {
      return side.empty() ? "absent" : std::string(escaped(side));
    };
    out += cat("  ", change.what, "  ", name_text(change.name), ": ", text(change.a), " -> ", text(change.b),
               "\n");
  }
  const char* title = comparison.strict ? "structure" : "structure (does not count without --strict)";
  return out.empty() ? "" : cat("\n", styled(Style::kBold, title), "\n", out);
}

std::string count_text(std::size_t count, const char* what) { return fmt::format("{} {}", count, what); }

std::string summary_text(const Comparison& comparison) {
  const Diff& diff = comparison.diff;
  std::vector<std::string> parts = {count_text(diff.count_equal(), "equal")};
  const auto add = [&parts](std::size_t count, const char* what) {
    if (count > 0) parts.push_back(count_text(count, what));
  };
  if (comparison.has_tolerance) parts.push_back(count_text(diff.count_near(), "within tolerance"));
  parts.push_back(count_text(diff.count_different(), "different"));
  add(diff.count_renamed(), "renamed");
  add(diff.ambiguous.size(), "unclear renames");
  add(diff.only_a.size(), "only in A");
  add(diff.only_b.size(), "only in B");
  std::string out = cat("tensors: ", joined(parts), "\n");
  if (diff.equal_values + diff.near_values + diff.values.size() > 0) {
    out += fmt::format("other values: {} equal", diff.equal_values);
    if (diff.near_values > 0) out += fmt::format(", {} within tolerance", diff.near_values);
    out += fmt::format(", {} different\n", diff.values.size());
  }
  if (!diff.structure.empty())
    out += fmt::format("structure: {} different{}\n", diff.structure.size(),
                       comparison.strict ? "" : " (not counted)");
  return out +
         (diff.is_same(comparison.strict) ? styled(Style::kGreen, "same")
                                          : styled(Style::kRed, "they differ")) +
         "\n";
}

std::string side_text(const char* mark, const std::string& name, const Listing& listing) {
  return fmt::format("{} {}  {}, {} tensor{}\n", mark, escaped(name), checkpoint::format_name(listing.format),
                     listing.tensors.size(), listing.tensors.size() == 1 ? "" : "s");
}

}  // namespace

Json diff_json(const Comparison& comparison, const DiffStyle& style) {
  const Diff& diff = comparison.diff;
  Json out;
  out["same"] = diff.is_same(comparison.strict);
  out["strict"] = comparison.strict;
  out["a"] = side_json(comparison.name_a, *comparison.a);
  out["b"] = side_json(comparison.name_b, *comparison.b);
  out["counts"] = counts_json(comparison);
  if (style.stat) return out;
  out["tensors"] = Json::array();
  for (const TensorPair& pair : diff.tensors) {
    const bool is_plain = pair.paired_by == PairedBy::kName && pair.is_same() && pair.numbers->is_equal();
    if (!style.only_changed || !is_plain) out["tensors"].push_back(pair_json(comparison, pair));
  }
  out["only_a"] = names_json(*comparison.a, diff.only_a);
  out["only_b"] = names_json(*comparison.b, diff.only_b);
  out["ambiguous"] = Json::array();
  for (const auto& group : diff.ambiguous) {
    out["ambiguous"].push_back(
        {{"a", names_json(*comparison.a, group.a)}, {"b", names_json(*comparison.b, group.b)}});
  }
  out["values"] = Json::array();
  for (const auto& change : diff.values) {
    const auto text = [](const std::optional<Value>& value) {
      return value ? Json(value_repr(*value)) : Json(nullptr);
    };
    out["values"].push_back({{"name", change.name}, {"a", text(change.a)}, {"b", text(change.b)}});
  }
  out["structure"] = Json::array();
  for (const auto& change : diff.structure) {
    const auto text = [](const std::string& side) { return side.empty() ? Json(nullptr) : Json(side); };
    out["structure"].push_back(
        {{"what", change.what}, {"name", change.name}, {"a", text(change.a)}, {"b", text(change.b)}});
  }
  return out;
}

std::string diff_text(const Comparison& comparison, const DiffStyle& style) {
  std::string out =
      side_text("---", comparison.name_a, *comparison.a) + side_text("+++", comparison.name_b, *comparison.b);
  if (!style.stat) {
    out += only_text("only in A", *comparison.a, comparison.diff.only_a) +
           only_text("only in B", *comparison.b, comparison.diff.only_b) + renames_text(comparison) +
           pairs_text(comparison, style) + values_text(comparison) + structure_text(comparison) + "\n";
  }
  return out + summary_text(comparison);
}

std::string textconv_text(const Listing& listing) {
  std::string out = cat("format  ", checkpoint::format_name(listing.format), "\n");
  for (std::size_t i = 0; i < listing.tensors.size(); ++i) {
    const TensorInfo& info = listing.tensors[i];
    const Array array = listing.read(i);
    out += tensor_text(info);
    const DTypeKind kind = dtype_info(info.dtype).kind;
    if (kind != DTypeKind::kQuantized && kind != DTypeKind::kRaw) {
      const auto stats = toolbox::tensor_stats(array);
      out += fmt::format("  mean {:.6g} std {:.6g} min {:.6g} max {:.6g}", stats.mean, stats.std, stats.min,
                         stats.max);
      if (stats.nan > 0) out += fmt::format(" nan {}", stats.nan);
      if (stats.infinite > 0) out += fmt::format(" inf {}", stats.infinite);
    }
    out += cat("  sha256 ", toolbox::tensor_digest(array).substr(0, 16), "\n");
  }
  toolbox::for_each_leaf(listing, [&out](const checkpoint::NamedLeaf& leaf) {
    if (!leaf.value.is_array()) out += cat(escaped(leaf.name), " = ", value_repr(leaf.value), "\n");
  });
  return out;
}

}  // namespace sconce::cli
