#include "sconce/toolbox/convert.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "sconce/base/error.h"
#include "sconce/base/glob.h"
#include "sconce/base/interrupt.h"
#include "sconce/checkpoint/module_metadata.h"
#include "sconce/checkpoint/named.h"
#include "sconce/state/state_dict.h"
#include "sconce/toolbox/leaves.h"
#include "toolbox/cast_tree.h"
#include "toolbox/regrouped_tree.h"

namespace sconce::toolbox {
namespace {

using checkpoint::NamedLeaf;
using checkpoint::NamedLimits;

bool matches_any(const std::vector<std::string>& globs, std::string_view name) {
  return std::any_of(globs.begin(), globs.end(),
                     [name](const std::string& glob) { return glob_match(glob, name); });
}

class Names {
 public:
  explicit Names(const ConvertOptions& options) : options_(options) {}

  bool changes_anything() const {
    return !options_.select.empty() || !options_.exclude.empty() || !options_.rename.empty() ||
           !options_.strip_prefix.empty() || !options_.add_prefix.empty();
  }

  bool is_chosen(std::string_view name) const {
    throw_if_stop_requested();
    return (options_.select.empty() || matches_any(options_.select, name)) &&
           !matches_any(options_.exclude, name);
  }

  std::string renamed(std::string_view name) const {
    if (name.starts_with(options_.strip_prefix)) name.remove_prefix(options_.strip_prefix.size());
    std::string out(name);
    for (const Rename& rename : options_.rename) out = rename(out);
    return options_.add_prefix + out;
  }

 private:
  const ConvertOptions& options_;
};

// The exact path, for messages: two values may have one name.
std::string path_text(const std::vector<Value>& path) {
  std::string out;
  for (const Value& key : path) {
    out += key.is_string() ? cat("['", escaped(key.as_string()), "']")
                           : cat("[", checkpoint::key_name(key), "]");
  }
  return out.empty() ? "the value itself" : out;
}

std::string what_is(const Value& value) {
  if (!value.is_object()) return std::string(value_kind_name(value.kind()));
  return cat("object of class ", value.global_module(), ".", value.global_name());
}

bool is_below(const std::vector<Value>& path, const std::vector<Value>& top) {
  return path.size() > top.size() && std::equal(top.begin(), top.end(), path.begin(),
                                                [](const Value& a, const Value& b) { return a.is(b); });
}

Value flattened(const Value& root, const Names& names, const NamedLimits& limits, ConvertReport& report) {
  Value out = Value::dict();
  std::unordered_map<std::string, std::vector<Value>> origins;
  for (const NamedLeaf& leaf : checkpoint::named_arrays(root, limits)) {
    if (!names.is_chosen(leaf.name)) {
      report.deselected.push_back(leaf.name);
      continue;
    }
    const std::string name = names.renamed(leaf.name);
    const auto [at, is_new] = origins.try_emplace(name, leaf.path);
    require(is_new, ErrorCode::kKeyMismatch, "convert", path_text(at->second), " and ", path_text(leaf.path),
            " would both be named '", escaped(name), "'");
    if (name != leaf.name) ++report.renamed;
    out.set_item(name, leaf.value);
  }
  std::optional<std::vector<Value>> object;  // what it is made of goes with it
  for (const NamedLeaf& leaf : checkpoint::named_scalars(root, limits)) {
    if (object && is_below(leaf.path, *object)) continue;
    object = leaf.value.is_object() ? std::optional(leaf.path) : std::nullopt;
    if (names.is_chosen(leaf.name)) {
      report.left_out.push_back({leaf.name, what_is(leaf.value)});
    } else {
      report.deselected.push_back(leaf.name);
    }
  }
  if (auto warning = checkpoint::lost_metadata_warning(root, "one dict of tensors"))
    report.warnings.push_back(*std::move(warning));
  if (root.is_dict()) {
    for (const auto& [name, value] : root.attributes()) {
      if (name == "__metadata__") out.set_attribute(name, value);
    }
  }
  return out;
}

Value regrouped(const Value& root, const Names& names, const NamedLimits& limits, ConvertReport& report) {
  RegroupedTree tree([&names](std::string_view name) { return names.renamed(name); });
  for_each_leaf(root, limits, [&](const NamedLeaf& leaf, std::span<const Value> holders) {
    if (!names.is_chosen(leaf.name)) {
      report.deselected.push_back(leaf.name);
      return;
    }
    if (names.renamed(leaf.name) != leaf.name) ++report.renamed;
    tree.add(leaf, holders);
  });
  return tree.build();
}

// A prefix that no name has is a mistake more often than not.
void check_prefix(const Value& root, const ConvertOptions& options, ConvertReport& report) {
  if (options.strip_prefix.empty()) return;
  const auto leaves = checkpoint::named_arrays(root, options.walk);
  const auto has_prefix = [&](const NamedLeaf& leaf) { return leaf.name.starts_with(options.strip_prefix); };
  if (leaves.empty() || std::any_of(leaves.begin(), leaves.end(), has_prefix)) return;
  const std::string inner = "." + options.strip_prefix;
  for (const NamedLeaf& leaf : leaves) {
    const std::size_t at = leaf.name.find(inner);
    if (at == std::string::npos) continue;
    report.warnings.push_back(cat("no name begins with '", escaped(options.strip_prefix), "'; '",
                                  escaped(leaf.name), "' has it below '", escaped(leaf.name.substr(0, at)),
                                  "': take that part with --state-dict first"));
    return;
  }
  report.warnings.push_back(cat("no name begins with '", escaped(options.strip_prefix), "'"));
}

struct DTypeWord {
  std::string_view word;
  DType dtype;
};
constexpr DTypeWord kWords[] = {
    {"bf16", kBFloat16},
    {"f16", kFloat16},
    {"fp16", kFloat16},
    {"f32", kFloat32},
    {"fp32", kFloat32},
    {"f64", kFloat64},
    {"fp64", kFloat64},
    {"f8_e4m3", kFloat8E4M3FN},
    {"f8_e4m3fn", kFloat8E4M3FN},
    {"f8_e5m2", kFloat8E5M2},
    {"f8_e4m3fnuz", kFloat8E4M3FNUZ},
    {"f8_e5m2fnuz", kFloat8E5M2FNUZ},
    {"f8_e8m0", kFloat8E8M0FNU},
};

}  // namespace

Value take_part(const Value& root, const std::string& name) {
  // Keys may contain dots themselves, so every way to read the name is tried, nearest first.
  struct Place {
    Value value;
    std::string_view rest;
  };
  std::vector<Place> open{{root, name}};
  std::unordered_set<std::string> tried;
  std::vector<std::string> parts;
  while (!open.empty()) {
    const Place place = open.back();
    open.pop_back();
    if (place.rest.empty() && !place.value.is(root)) return place.value;
    if (!tried.insert(cat(place.value.id(), " ", place.rest)).second) continue;
    std::vector<Value::Pair> children;
    if (place.value.is_dict()) children = place.value.items();
    if (place.value.is_list() || place.value.is_tuple()) {
      std::int64_t index = 0;
      for (const Value& element : place.value.elements()) children.emplace_back(index++, element);
    }
    for (auto child = children.rbegin(); child != children.rend(); ++child) {
      const std::string key = checkpoint::key_name(child->first);
      if (place.rest == key) {
        open.push_back({child->second, {}});
      } else if (place.rest.starts_with(key) && place.rest[key.size()] == '.') {
        open.push_back({child->second, place.rest.substr(key.size() + 1)});
      }
      const auto taken = static_cast<std::size_t>(place.rest.data() - name.data());
      if (child->second.is_dict()) parts.push_back(name.substr(0, taken) + key);
    }
  }
  const auto near = nearest_name(name, parts);
  fail(ErrorCode::kNotFound, "convert", "there is no part '", escaped(name), "'",
       near             ? cat("; did you mean '", escaped(*near), "'?")
       : !parts.empty() ? cat("; there is '", escaped(parts.back()), "'")
                        : std::string());
}

std::optional<DType> floating_dtype_from(std::string_view word) {
  for (const DTypeWord& row : kWords) {
    if (row.word == word) return row.dtype;
  }
  if (word.starts_with("torch.")) word.remove_prefix(6);
  const auto dtype = dtype_from_name(word);
  return dtype && is_floating(*dtype) ? dtype : std::nullopt;
}

Conversion convert(const Value& root, const ConvertOptions& options) {
  Conversion out;
  const Names names(options);
  Value value = options.state_dict.empty() ? root : take_part(root, options.state_dict);
  check_prefix(value, options, out.report);
  if (options.flatten) {
    value = flattened(value, names, options.walk, out.report);
  } else if (names.changes_anything()) {
    value = regrouped(value, names, options.walk, out.report);
  }
  out.report.tensors = checkpoint::named_arrays(value, options.walk).size();
  const bool is_empty = value.is_none() || (value.is_dict() && value.size() == 0);
  require(!is_empty || out.report.deselected.empty(), ErrorCode::kNotFound, "convert",
          "nothing is chosen: no name matches");
  if (options.dtype) value = cast_tree(value, *options.dtype, options.walk, out.report);
  out.value = value;
  return out;
}

}  // namespace sconce::toolbox
