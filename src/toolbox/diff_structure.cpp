#include "toolbox/diff_structure.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "sconce/base/glob.h"
#include "sconce/state/repr.h"
#include "sconce/toolbox/leaves.h"
#include "sconce/toolbox/same_value.h"

namespace sconce::toolbox {
namespace {

using checkpoint::Listing;
using checkpoint::NamedLeaf;
using checkpoint::TensorInfo;

bool same_description(const SparseLeaf& a, const SparseLeaf& b) {
  return a.layout == b.layout && a.size == b.size;
}

// ---- values

struct NamedValue {
  std::string name;
  Value value;
};

std::vector<NamedValue> values_of(const Listing& listing, const DiffOptions& options) {
  std::vector<NamedValue> out;
  for_each_leaf(listing, [&](const NamedLeaf& leaf) {
    if (leaf.value.is_array() || !is_chosen(options, leaf.name)) return;
    if (options.tensors_only && !leaf.value.is_sparse()) return;
    out.push_back({leaf.name, leaf.value});
  });
  return out;
}

void compare_values(const NamedValue& a, const Value& b, const DiffOptions& options, Diff& out) {
  const bool is_equal = a.value.is_sparse() && b.is_sparse()
                            ? same_description(a.value.as_sparse(), b.as_sparse())
                            : same_value(a.value, b);
  if (is_equal) {
    ++out.equal_values;
  } else if (options.tolerance && same_value(a.value, b, options.tolerance)) {
    ++out.near_values;
  } else {
    out.values.push_back({a.name, a.value, b});
  }
}

// ---- structure

using Places = std::map<std::string, NamedLeaf>;

// Everything that may carry attributes or an order: containers, tensors, sparse tensors.
Places places_of(const Listing& listing, const DiffOptions& options) {
  Places out;
  const auto add = [&](const NamedLeaf& leaf) {
    const bool is_container = leaf.value.is_dict() || leaf.value.is_list() || leaf.value.is_tuple();
    if (!is_container && !leaf.value.is_array() && !leaf.value.is_sparse()) return;
    if (is_chosen(options, leaf.name)) out.emplace(leaf.name, leaf);
  };
  for_each_leaf(listing, add, add);
  return out;
}

std::string container_name(const Value& value) {
  return value.is_ordered_dict() ? "OrderedDict" : std::string(value_kind_name(value.kind()));
}

class Structure {
 public:
  explicit Structure(std::vector<StructureChange>& out) : out_(out) {}

  void note(const char* what, const std::string& name, std::string a, std::string b) {
    if (a != b) out_.push_back({what, name, std::move(a), std::move(b)});
  }

  void compare_places(const NamedLeaf& a, const NamedLeaf& b) {
    const bool are_containers = !a.value.is_array() && !a.value.is_sparse();
    if (are_containers) note("container", a.name, container_name(a.value), container_name(b.value));
    if (a.value.is_sparse() && b.value.is_sparse()) {
      const auto text = [](const std::optional<bool>& known) {
        return !known ? std::string() : std::string(*known ? "yes" : "no");
      };
      note("coalesced", a.name, text(a.value.as_sparse().is_coalesced),
           text(b.value.as_sparse().is_coalesced));
      note("requires_grad", a.name, yes_no(a.value.as_sparse().requires_grad),
           yes_no(b.value.as_sparse().requires_grad));
    }
    compare_attributes(a, b);
  }

  static std::string yes_no(bool value) { return value ? "yes" : "no"; }

 private:
  static bool is_metadata(const std::string& attribute) {
    return attribute == "_metadata" || attribute == "__metadata__";
  }

  void compare_attributes(const NamedLeaf& a, const NamedLeaf& b) {
    for (const auto& [key, value] : a.value.attributes()) {
      const auto other = b.value.attribute(key);
      if (other && same_value(value, *other)) continue;
      if (other && value.is_dict() && other->is_dict()) {
        compare_entries(a.name, key, value, *other);
      } else {
        add_attribute(a.name, key, &value, other ? &*other : nullptr);
      }
    }
    for (const auto& [key, value] : b.value.attributes()) {
      if (!a.value.attribute(key)) add_attribute(b.name, key, nullptr, &value);
    }
  }

  void add_attribute(const std::string& place, const std::string& key, const Value* a, const Value* b) {
    // A whole `_metadata` says more by its size than by its first entries.
    const auto text = [&](const Value* value) {
      if (value == nullptr) return std::string();
      return is_metadata(key) && value->is_dict() ? cat(value->size(), " entries") : value_repr(*value);
    };
    note(is_metadata(key) ? "metadata" : "attribute", joined(place, key), text(a), text(b));
  }

  void compare_entries(const std::string& place, const std::string& key, const Value& a, const Value& b) {
    const auto add = [&](const Value& entry, const Value* x, const Value* y) {
      out_.push_back(
          {is_metadata(key) ? "metadata" : "attribute", cat(joined(place, key), "[", value_repr(entry), "]"),
           x == nullptr ? std::string() : value_repr(*x), y == nullptr ? std::string() : value_repr(*y)});
    };
    for (const auto& [entry, value] : a.items()) {
      const auto other = b.find(entry);
      if (!other || !same_value(value, *other)) add(entry, &value, other ? &*other : nullptr);
    }
    for (const auto& [entry, value] : b.items()) {
      if (!a.contains(entry)) add(entry, nullptr, &value);
    }
  }

  static std::string joined(const std::string& place, const std::string& key) {
    return place.empty() ? key : cat(place, ".", key);
  }

  std::vector<StructureChange>& out_;
};

// Strides that decide where an element lies: those of dimensions with one element do not.
std::string strides_text(const TensorInfo& info) {
  const Geometry& geometry = info.geometry;
  if (geometry.is_contiguous() || geometry.numel() == 0) return "contiguous";
  Shape strides;
  for (std::size_t i = 0; i < geometry.rank(); ++i)
    strides.push_back(geometry.shape[i] == 1 ? 0 : geometry.strides[i]);
  return strides.str();
}

void compare_layout(const TensorInfo& a, const TensorInfo& b, Structure& structure) {
  if (a.geometry.shape == b.geometry.shape) {
    structure.note("strides", a.name, strides_text(a), strides_text(b));
    structure.note("offset", a.name, std::to_string(a.geometry.offset), std::to_string(b.geometry.offset));
  }
  structure.note("requires_grad", a.name, Structure::yes_no(a.requires_grad),
                 Structure::yes_no(b.requires_grad));
  structure.note("parameter", a.name, Structure::yes_no(a.is_parameter), Structure::yes_no(b.is_parameter));
  if (!a.device.empty() && !b.device.empty()) structure.note("device", a.name, a.device, b.device);
}

// For each pair the first pair whose tensor lies in the same storage, itself where that is empty.
std::vector<std::size_t> first_sharers(const Diff& diff, const Listing& listing,
                                       std::size_t TensorPair::*side) {
  std::unordered_map<std::size_t, std::size_t> first;
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < diff.tensors.size(); ++i) {
    const TensorInfo& info = listing.tensors[diff.tensors[i].*side];
    out.push_back(info.storage_bytes == 0 ? i : first.try_emplace(info.storage, i).first->second);
  }
  return out;
}

void compare_sharing(const Listing& a, const Listing& b, const Diff& diff, Structure& structure) {
  const auto first_a = first_sharers(diff, a, &TensorPair::a);
  const auto first_b = first_sharers(diff, b, &TensorPair::b);
  const auto text = [&](std::size_t i, std::size_t first) {
    return first == i ? std::string("memory of its own")
                      : cat("with ", a.tensors[diff.tensors[first].a].name);
  };
  for (std::size_t i = 0; i < diff.tensors.size(); ++i)
    structure.note("sharing", a.tensors[diff.tensors[i].a].name, text(i, first_a[i]), text(i, first_b[i]));
}

// The pairs come in the order of A: one whose place in B lies before its predecessor's breaks the order.
void compare_order(const Listing& a, const Listing& b, const Diff& diff, Structure& structure) {
  for (std::size_t i = 1; i < diff.tensors.size(); ++i) {
    if (diff.tensors[i].b > diff.tensors[i - 1].b) continue;
    const std::string& before = b.tensors[diff.tensors[i - 1].b].name;
    return structure.note("order", a.tensors[diff.tensors[i].a].name, cat("after ", before),
                          cat("before ", before));
  }
}

}  // namespace

bool is_chosen(const DiffOptions& options, const std::string& name) {
  return options.filter.empty() || glob_match(options.filter, name);
}

void diff_values(const Listing& a, const Listing& b, const DiffOptions& options, Diff& out) {
  const auto in_a = values_of(a, options);
  const auto in_b = values_of(b, options);
  // Equal names (from different paths) meet in the order of their files.
  std::unordered_map<std::string, std::vector<std::size_t>> by_name;
  for (std::size_t i = in_b.size(); i-- > 0;) by_name[in_b[i].name].push_back(i);
  for (const NamedValue& value : in_a) {
    const auto found = by_name.find(value.name);
    if (found == by_name.end() || found->second.empty()) {
      out.values.push_back({value.name, value.value, std::nullopt});
    } else {
      compare_values(value, in_b[found->second.back()].value, options, out);
      found->second.pop_back();
    }
  }
  std::vector<std::size_t> left;
  for (const auto& [name, indices] : by_name) left.insert(left.end(), indices.begin(), indices.end());
  std::sort(left.begin(), left.end());
  for (const std::size_t i : left) out.values.push_back({in_b[i].name, std::nullopt, in_b[i].value});
}

void diff_structure(const Listing& a, const Listing& b, const DiffOptions& options, Diff& out) {
  Structure structure(out.structure);
  for (const TensorPair& pair : out.tensors) compare_layout(a.tensors[pair.a], b.tensors[pair.b], structure);
  compare_sharing(a, b, out, structure);
  compare_order(a, b, out, structure);
  const Places in_b = places_of(b, options);
  for (const auto& [name, leaf] : places_of(a, options)) {
    if (const auto other = in_b.find(name); other != in_b.end())
      structure.compare_places(leaf, other->second);
  }
}

}  // namespace sconce::toolbox
