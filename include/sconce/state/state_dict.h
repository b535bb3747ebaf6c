// An ordered dictionary from names to arrays: what a module's state_dict() gives and load_state_dict() takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "sconce/core/array.h"
#include "sconce/state/value.h"

namespace sconce {

// One value of a StateDict: an array, or (for a module's extra state) any Value.
class StateValue {
 public:
  StateValue() = default;
  StateValue(Array array) : content_(std::move(array)) {}  // NOLINT(google-explicit-constructor)
  static StateValue extra(Value value);
  // An array when the value is one, extra state otherwise. A bare storage stays a value, and a tensor whose
  // numbers share bytes, whose array does not have its shape.
  static StateValue from_value(const Value& value);

  bool is_array() const { return std::holds_alternative<Array>(content_); }
  // Error kDTypeMismatch when this is not an array.
  const Array& array() const;
  Array& array();
  Value to_value() const;
  // Of the array.
  const Shape& shape() const { return array().shape(); }
  DType dtype() const { return array().dtype(); }

 private:
  std::variant<Array, Value> content_;
};

class StateDict {
 public:
  using Entry = std::pair<std::string, StateValue>;
  // Module prefix without the final dot ('' for the root) -> a dict with at least 'version'.
  using Metadata = std::vector<std::pair<std::string, Value>>;

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

  // Appends, or replaces the value of a name that is there (its place stays).
  void set(std::string name, StateValue value);
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  const StateValue* find(std::string_view name) const;  // null when absent
  StateValue* find(std::string_view name);
  // Error kNotFound, naming the nearest name there is.
  const StateValue& at(std::string_view name) const;
  bool erase(std::string_view name);
  std::vector<std::string> names() const;

  // PyTorch's _metadata; nullopt when the file had none, which is not the same as an empty one.
  const std::optional<Metadata>& metadata() const { return metadata_; }
  std::optional<Metadata>& metadata() { return metadata_; }
  void set_metadata(std::optional<Metadata> metadata) { metadata_ = std::move(metadata); }
  // The version recorded for a module; nullopt without metadata or version.
  std::optional<std::int64_t> version(std::string_view prefix) const;
  void set_version(std::string_view prefix, std::int64_t version);

  // New dictionaries that share the arrays. `_metadata` follows the names.
  StateDict with_prefix(std::string_view prefix) const;   // "model." before every name
  StateDict strip_prefix(std::string_view prefix) const;  // names without it stay as they are
  StateDict under_prefix(std::string_view prefix) const;  // only names with it, without it
  StateDict filter(const std::function<bool(std::string_view)>& keep) const;
  // Error kKeyMismatch when two names fall together.
  StateDict rename(const std::function<std::string(std::string_view)>& new_name) const;

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> index_;
  std::optional<Metadata> metadata_;
};

// The candidate most like `name` (longest common run of dotted components from the right, then smallest edit
// distance), or nullopt when none is near.
std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace sconce
