#include "sconce/toolbox/same_value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace sconce::toolbox {
namespace {

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

bool is_real(const Value& value) { return value.is_float() || (value.is_int() && !value.is_big_int()); }

bool same_array(const Array& a, const Array& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.same_bits(b);
}

bool same_quantization(const Rare<Quantization>& a, const Rare<Quantization>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->scheme == b->scheme && same_bits(a->scale, b->scale) && a->zero_point == b->zero_point &&
         a->axis == b->axis && a->packed == b->packed && same_array(a->scales, b->scales) &&
         same_array(a->zero_points, b->zero_points);
}

bool same_sparse(const SparseLeaf& a, const SparseLeaf& b) {
  return a.layout == b.layout && a.size == b.size && same_array(a.indices, b.indices) &&
         same_array(a.plain_indices, b.plain_indices) && same_array(a.values, b.values);
}

// Compares what is left to compare, pair by pair, without recursion: values nest as deep as a file likes.
class Comparison {
 public:
  explicit Comparison(const std::optional<Tolerance>& tolerance) : tolerance_(tolerance) {}

  bool run(const Value& a, const Value& b) {
    open_.emplace_back(a, b);
    while (!open_.empty()) {
      const auto [x, y] = std::move(open_.back());
      open_.pop_back();
      if (!same(x, y)) return false;
    }
    return true;
  }

 private:
  bool same(const Value& a, const Value& b) {
    if (tolerance_ && is_real(a) && is_real(b)) return tolerance_->covers(a.as_float(), b.as_float());
    if (a.kind() != b.kind()) return false;
    switch (a.kind()) {
      case ValueKind::kNone:
        return true;
      case ValueKind::kBool:
        return a.as_bool() == b.as_bool();
      case ValueKind::kInt:
        return a.int_bytes() == b.int_bytes();
      case ValueKind::kFloat:
        return same_bits(a.as_float(), b.as_float());
      case ValueKind::kComplex:
        return same_complex(a.as_complex(), b.as_complex());
      case ValueKind::kString:
        return a.as_string() == b.as_string();
      case ValueKind::kBytes:
        return a.is_bytearray() == b.is_bytearray() && std::ranges::equal(a.as_bytes(), b.as_bytes());
      case ValueKind::kArray:
        return same_array(a.as_array(), b.as_array()) &&
               a.as_tensor().bare_storage == b.as_tensor().bare_storage &&
               same_quantization(a.as_tensor().quantization, b.as_tensor().quantization);
      case ValueKind::kSparse:
        return same_sparse(a.as_sparse(), b.as_sparse());
      default:
        // A pair met again is being compared already, in a cycle or because both sides share the part.
        return !entered_.emplace(a.id(), b.id()).second || same_container(a, b);
    }
  }

  bool same_complex(std::complex<double> a, std::complex<double> b) const {
    if (tolerance_) return tolerance_->covers(a.real(), b.real()) && tolerance_->covers(a.imag(), b.imag());
    return same_bits(a.real(), b.real()) && same_bits(a.imag(), b.imag());
  }

  bool same_container(const Value& a, const Value& b) {
    if (a.is_dict()) return add_entries(a, b);
    if (a.is_set()) return a.is_frozen() == b.is_frozen() && same_members(a, b);
    if (a.is_object()) return same_object(a, b);
    return add_elements(a.elements(), b.elements());
  }

  bool add_elements(const std::vector<Value>& a, const std::vector<Value>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) open_.emplace_back(a[i], b[i]);
    return true;
  }

  bool add_pairs(const std::vector<Value::Pair>& a, const std::vector<Value::Pair>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
      open_.emplace_back(a[i].first, b[i].first);
      open_.emplace_back(a[i].second, b[i].second);
    }
    return true;
  }

  bool add_entries(const Value& a, const Value& b) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.items()) {
      // An object or NaN as a key is equal to no other one: such dicts are compared in their order.
      if (key.is_object() || (key.is_float() && std::isnan(key.as_float())))
        return add_pairs(a.items(), b.items());
      const auto other = b.find(key);
      if (!other) return false;
      open_.emplace_back(value, *other);
    }
    return true;
  }

  // Members of sets have no order, but equal ones are equal keys of a dict.
  bool same_members(const Value& a, const Value& b) {
    const auto mine = a.elements();
    const auto theirs = b.elements();
    if (mine.size() != theirs.size()) return false;
    if (std::any_of(mine.begin(), mine.end(), [](const Value& member) { return member.is_object(); }))
      return add_elements(mine, theirs);
    Value members = Value::dict();
    for (const Value& member : theirs) members.set_item(member, nullptr);
    return std::all_of(mine.begin(), mine.end(),
                       [&](const Value& member) { return members.contains(member); });
  }

  bool same_object(const Value& a, const Value& b) {
    if (a.object_kind() != b.object_kind() || a.global_module() != b.global_module() ||
        a.global_name() != b.global_name())
      return false;
    if (a.object_kind() == ObjectKind::kGlobal) return true;
    open_.emplace_back(a.object_callable(), b.object_callable());
    open_.emplace_back(a.object_args(), b.object_args());
    open_.emplace_back(a.object_kwargs(), b.object_kwargs());
    return add_elements(a.object_elements(), b.object_elements()) &&
           add_pairs(a.object_items(), b.object_items()) &&
           add_elements(a.object_states(), b.object_states());
  }

  const std::optional<Tolerance>& tolerance_;
  std::vector<std::pair<Value, Value>> open_;
  std::set<std::pair<const void*, const void*>> entered_;
};

}  // namespace

bool same_value(const Value& a, const Value& b, const std::optional<Tolerance>& tolerance) {
  return Comparison(tolerance).run(a, b);
}

}  // namespace sconce::toolbox
