#include "sconce/toolbox/diff.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "sconce/state/repr.h"
#include "sconce/toolbox/digest.h"
#include "sconce/toolbox/key_names.h"
#include "sconce/toolbox/rename_detection.h"
#include "toolbox/diff_structure.h"

namespace sconce::toolbox {
namespace {

using checkpoint::Listing;
using checkpoint::TensorInfo;

// What may carry a '\0' cannot be confused with what stands around it: the count says where it ends.
std::string key_of(const TensorInfo& info) { return cat(info.role.size(), " ", info.role, " ", info.name); }

std::string quantization_text(const Quantization& quantization) {
  if (!quantization.scheme.starts_with("per_tensor"))
    return cat(quantization.scheme, " axis ", quantization.axis);
  return cat(quantization.scheme, " scale ", value_repr(quantization.scale), " zero point ",
             quantization.zero_point);
}

std::string quantization_text(const TensorInfo& info) {
  return info.quantization ? quantization_text(*info.quantization) : "none";
}

// What PyTorch makes of it.
std::string_view kind_of(const TensorInfo& info) {
  switch (info.bare_storage) {
    case BareStorage::kNo:
      return "tensor";
    case BareStorage::kTyped:
      return "storage";
    case BareStorage::kUntyped:
      return "untyped storage";
  }
  return {};
}

// Equal texts: nothing but the elements can differ.
std::string description_of(const TensorInfo& info) {
  return cat(dtype_name(info.dtype), " ", info.geometry.shape.str(), " ", info.value_geometry().shape.str(),
             " ", info.role, " ", kind_of(info), " ", quantization_text(info));
}

bool same_path(const std::vector<Value>& a, const std::vector<Value>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Value& x, const Value& y) {
    return x.kind() == y.kind() && value_repr(x) == value_repr(y);
  });
}

class Comparison {
 public:
  Comparison(const Listing& a, const Listing& b, const DiffOptions& options)
      : a_(a), b_(b), options_(options) {}

  Diff run() {
    pair_by_name();
    if (options_.find_renames) {
      pair_by_wrapper();
      pair_by_content();
    }
    std::stable_sort(out_.tensors.begin(), out_.tensors.end(),
                     [](const TensorPair& x, const TensorPair& y) { return x.a < y.a; });
    for (TensorPair& pair : out_.tensors) compare(pair);
    diff_values(a_, b_, options_, out_);
    diff_structure(a_, b_, options_, out_);
    return std::move(out_);
  }

 private:
  // The exact path decides between tensors of one name, then their order.
  void pair_by_name() {
    std::unordered_map<std::string, std::vector<std::size_t>> by_key;
    for (std::size_t i = 0; i < b_.tensors.size(); ++i) {
      if (is_chosen(options_, b_.tensors[i].name)) by_key[key_of(b_.tensors[i])].push_back(i);
    }
    for (std::size_t i = 0; i < a_.tensors.size(); ++i) {
      if (!is_chosen(options_, a_.tensors[i].name)) continue;
      const auto found = by_key.find(key_of(a_.tensors[i]));
      if (found == by_key.end() || found->second.empty()) {
        out_.only_a.push_back(i);
        continue;
      }
      std::vector<std::size_t>& candidates = found->second;
      auto best = std::find_if(candidates.begin(), candidates.end(), [&](std::size_t candidate) {
        return same_path(a_.tensors[i].path, b_.tensors[candidate].path);
      });
      if (best == candidates.end()) best = candidates.begin();
      add_pair(i, *best, PairedBy::kName);
      candidates.erase(best);
    }
    for (const auto& [key, left] : by_key) out_.only_b.insert(out_.only_b.end(), left.begin(), left.end());
    std::sort(out_.only_b.begin(), out_.only_b.end());
  }

  void add_pair(std::size_t a, std::size_t b, PairedBy paired_by) {
    TensorPair pair;
    pair.a = a;
    pair.b = b;
    pair.paired_by = paired_by;
    out_.tensors.push_back(std::move(pair));
  }

  // model.module.fc.weight and model.fc.weight are one tensor in two training scripts.
  void pair_by_wrapper() {
    const auto keys_of = [](const Listing& listing, const std::vector<std::size_t>& indices) {
      std::unordered_map<std::string, std::vector<std::size_t>> out;
      for (const std::size_t i : indices) {
        const TensorInfo& info = listing.tensors[i];
        out[cat(description_of(info), " ", without_wrappers(info.name))].push_back(i);
      }
      return out;
    };
    const auto in_a = keys_of(a_, out_.only_a);
    std::set<std::size_t> used_a;
    std::set<std::size_t> used_b;
    for (const auto& [key, candidates] : keys_of(b_, out_.only_b)) {
      const auto found = in_a.find(key);
      if (found == in_a.end() || found->second.size() != 1 || candidates.size() != 1) continue;
      add_pair(found->second.front(), candidates.front(), PairedBy::kWrapper);
      used_a.insert(found->second.front());
      used_b.insert(candidates.front());
    }
    take_out(used_a, used_b);
  }

  void pair_by_content() {
    std::set<std::string> wanted;
    for (const std::size_t i : out_.only_b) wanted.insert(description_of(b_.tensors[i]));
    std::vector<std::size_t> in_a;
    std::vector<std::size_t> in_b;
    std::copy_if(out_.only_a.begin(), out_.only_a.end(), std::back_inserter(in_a),
                 [&](std::size_t i) { return wanted.contains(description_of(a_.tensors[i])); });
    wanted.clear();
    for (const std::size_t i : in_a) wanted.insert(description_of(a_.tensors[i]));
    std::copy_if(out_.only_b.begin(), out_.only_b.end(), std::back_inserter(in_b),
                 [&](std::size_t i) { return wanted.contains(description_of(b_.tensors[i])); });

    const Renames found = find_renames(candidates(a_, in_a), candidates(b_, in_b));
    std::set<std::size_t> used_a;
    std::set<std::size_t> used_b;
    for (const TensorRename& rename : found.renames) {
      add_pair(in_a[rename.a], in_b[rename.b],
               rename.by_content ? PairedBy::kContent : PairedBy::kContentAndName);
      used_a.insert(in_a[rename.a]);
      used_b.insert(in_b[rename.b]);
    }
    for (const AmbiguousRename& group : found.ambiguous) {
      AmbiguousTensors tensors;
      for (const std::size_t i : group.a) tensors.a.push_back(in_a[i]);
      for (const std::size_t i : group.b) tensors.b.push_back(in_b[i]);
      used_a.insert(tensors.a.begin(), tensors.a.end());
      used_b.insert(tensors.b.begin(), tensors.b.end());
      out_.ambiguous.push_back(std::move(tensors));
    }
    take_out(used_a, used_b);
  }

  static std::vector<RenameCandidate> candidates(const Listing& listing,
                                                 const std::vector<std::size_t>& indices) {
    std::vector<RenameCandidate> out;
    for (const std::size_t i : indices) {
      const TensorInfo& info = listing.tensors[i];
      out.push_back({info.name, cat(description_of(info), " ", tensor_digest(listing.read(i)))});
    }
    return out;
  }

  void take_out(const std::set<std::size_t>& used_a, const std::set<std::size_t>& used_b) {
    std::erase_if(out_.only_a, [&](std::size_t i) { return used_a.contains(i); });
    std::erase_if(out_.only_b, [&](std::size_t i) { return used_b.contains(i); });
  }

  void compare(TensorPair& pair) const {
    const TensorInfo& a = a_.tensors[pair.a];
    const TensorInfo& b = b_.tensors[pair.b];
    if (a.dtype != b.dtype)
      pair.changes.push_back(cat("dtype ", dtype_name(a.dtype), " -> ", dtype_name(b.dtype)));
    if (kind_of(a) != kind_of(b)) pair.changes.push_back(cat(kind_of(a), " -> ", kind_of(b)));
    const Shape& shape_a = a.value_geometry().shape;
    const Shape& shape_b = b.value_geometry().shape;
    if (shape_a != shape_b) {
      pair.changes.push_back(cat("shape ", shape_a.str(), " -> ", shape_b.str()));
    } else if (a.geometry.shape != b.geometry.shape) {  // values that share bytes, in another order
      pair.changes.push_back(cat("bytes ", a.geometry.shape.str(), " -> ", b.geometry.shape.str()));
    }
    if (quantization_text(a) != quantization_text(b))
      pair.changes.push_back(cat("quantization ", quantization_text(a), " -> ", quantization_text(b)));
    if (a.geometry.shape != b.geometry.shape || !is_comparable(a.dtype, b.dtype)) return;
    const Array x = a_.read(pair.a);
    const Array y = b_.read(pair.b);
    pair.numbers = tensor_difference(x, y, options_.tolerance);
  }

  const Listing& a_;
  const Listing& b_;
  const DiffOptions& options_;
  Diff out_;
};

bool has_one_name(const TensorPair& pair) { return pair.paired_by == PairedBy::kName; }

}  // namespace

std::size_t Diff::count_equal() const {
  return static_cast<std::size_t>(std::count_if(tensors.begin(), tensors.end(), [](const TensorPair& pair) {
    return has_one_name(pair) && pair.is_same() && pair.numbers->is_equal();
  }));
}

std::size_t Diff::count_near() const {
  return static_cast<std::size_t>(std::count_if(tensors.begin(), tensors.end(), [](const TensorPair& pair) {
    return has_one_name(pair) && pair.is_same() && !pair.numbers->is_equal();
  }));
}

std::size_t Diff::count_different() const {
  return static_cast<std::size_t>(std::count_if(tensors.begin(), tensors.end(), [](const TensorPair& pair) {
    return has_one_name(pair) && !pair.is_same();
  }));
}

std::size_t Diff::count_renamed() const {
  return static_cast<std::size_t>(std::count_if(tensors.begin(), tensors.end(),
                                                [](const TensorPair& pair) { return !has_one_name(pair); }));
}

bool Diff::is_same(bool strict) const {
  return only_a.empty() && only_b.empty() && ambiguous.empty() && values.empty() && count_different() == 0 &&
         count_renamed() == 0 && (!strict || structure.empty());
}

Diff diff(const Listing& a, const Listing& b, const DiffOptions& options) {
  return Comparison(a, b, options).run();
}

}  // namespace sconce::toolbox
