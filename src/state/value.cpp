#include "sconce/state/value.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "sconce/base/byte_reader.h"
#include "sconce/state/python_class.h"
#include "sconce/state/state_dict.h"
#include "state/value_graph.h"

namespace sconce {

using namespace detail;  // NOLINT(google-build-using-namespace): Value is the face of detail's nodes

namespace {

constexpr std::size_t kIndexFrom = 16;  // entries from which a dict gets an index

std::optional<std::size_t> position_of(const Mapping& mapping, const ValueNode& key) {
  if (mapping.index) return mapping.index->find(mapping.entries, key);
  for (std::size_t i = 0; i < mapping.entries.size(); ++i) {
    if (same_key(*mapping.entries[i].first, key)) return i;
  }
  return std::nullopt;
}

void extend_index(Mapping& mapping) {
  if (mapping.entries.size() < kIndexFrom) return;
  if (!mapping.index) mapping.index.emplace();
  mapping.index->extend(mapping.entries);
}

bool is_hashable(const ValueNode& key) {
  switch (key.kind) {
    case ValueKind::kList:
    case ValueKind::kDict:
      return false;
    case ValueKind::kSet:
      return std::get<Sequence>(key.payload).is_frozen;
    case ValueKind::kBytes:
      return !std::get<Bytes>(key.payload).is_bytearray;
    default:
      return true;
  }
}

}  // namespace

void detail::rebuild_index(Mapping& mapping) {
  mapping.index.reset();
  extend_index(mapping);
}

std::string_view value_kind_name(ValueKind kind) {
  static constexpr std::array<std::string_view, 14> kNames = {
      "None", "bool",  "int", "float", "complex", "str",           "bytes",
      "list", "tuple", "set", "dict",  "tensor",  "sparse tensor", "object"};
  static_assert(kNames.size() == static_cast<std::size_t>(ValueKind::kObject) + 1);
  return kNames.at(static_cast<std::size_t>(kind));
}

Value::Value(std::shared_ptr<ValueGraph> graph, ValueNode* node) : graph_(std::move(graph)), node_(node) {}

Value::Value() : Value(ValueArena().none()) {}
Value::Value(std::complex<double> value) : Value(ValueArena().complex(value)) {}
Value::Value(std::string_view text) : Value(ValueArena().string(text)) {}
std::string placements_text(const ShardOf& shard) {
  std::string out;
  for (const std::string& placement : shard.placements) out += cat(out.empty() ? "" : ", ", placement);
  return out.empty() ? "unknown" : out;
}

Value::Value(Array array) : Value(TensorLeaf{.array = std::move(array)}) {}
Value::Value(TensorLeaf leaf) : Value(ValueArena().array(std::move(leaf))) {}
Value::Value(SparseLeaf leaf) : Value(ValueArena().sparse(std::move(leaf))) {}

Value::Value(const StateDict& state) : Value(ordered_dict()) {
  for (const auto& [name, value] : state) set_item(name, value.to_value());
  if (!state.metadata()) return;
  Value metadata = ordered_dict();
  for (const auto& [prefix, entry] : *state.metadata()) metadata.set_item(prefix, entry);
  set_attribute("_metadata", metadata);
}

Value Value::of_bool(bool value) { return ValueArena().boolean(value); }
Value Value::of_float(double value) { return ValueArena().real(value); }
Value Value::of_int(std::int64_t value) { return ValueArena().integer(value); }
Value Value::of_unsigned(std::uint64_t value) {
  std::array<std::byte, 9> bytes{};  // the ninth keeps the sign positive
  const std::uint64_t little = in_order(value, std::endian::little);
  std::memcpy(bytes.data(), &little, sizeof little);
  return ValueArena().integer(bytes);
}

Value Value::bytes(std::span<const std::byte> data, bool is_bytearray) {
  return ValueArena().bytes(data, is_bytearray);
}
Value Value::list(std::initializer_list<Value> elements) {
  Value out = ValueArena().list();
  for (const Value& element : elements) out.append(element);
  return out;
}
Value Value::tuple(std::initializer_list<Value> elements) {
  Value out = ValueArena().tuple();
  for (const Value& element : elements) out.append(element);
  return out;
}
Value Value::set(std::initializer_list<Value> elements, bool is_frozen) {
  Value out = ValueArena().set(is_frozen);
  for (const Value& element : elements) out.append(element);
  return out;
}
Value Value::dict(std::initializer_list<Pair> entries) {
  Value out = ValueArena().dict();
  for (const auto& [key, value] : entries) out.set_item(key, value);
  return out;
}
Value Value::ordered_dict(std::initializer_list<Pair> entries) {
  Value out = ValueArena().dict(true);
  for (const auto& [key, value] : entries) out.set_item(key, value);
  return out;
}

ValueKind Value::kind() const { return node_->kind; }

const ValueNode& Value::expect(ValueKind kind) const {
  require(node_->kind == kind, ErrorCode::kDTypeMismatch, "value", "expected ", value_kind_name(kind),
          ", found ", value_kind_name(node_->kind));
  return *node_;
}
ValueNode& Value::expect(ValueKind kind) {
  static_cast<const Value*>(this)->expect(kind);
  return *node_;
}

Value Value::handle(ValueNode* node) const { return {root_of(graph_), node}; }

ValueNode* Value::adopt(const Value& other) const {
  join(graph_, other.graph_);
  return other.node_;
}

bool Value::as_bool() const { return std::get<bool>(expect(ValueKind::kBool).payload); }

std::int64_t Value::as_int() const {
  const auto* value = std::get_if<std::int64_t>(&expect(ValueKind::kInt).payload);
  require(value != nullptr, ErrorCode::kOverflow, "value", "the int does not fit 64 bits");
  return *value;
}

double Value::as_float() const {
  if (is_int()) return static_cast<double>(as_int());
  return std::get<double>(expect(ValueKind::kFloat).payload);
}

std::complex<double> Value::as_complex() const {
  return std::get<std::complex<double>>(expect(ValueKind::kComplex).payload);
}

const std::string& Value::as_string() const {
  return std::get<std::string>(expect(ValueKind::kString).payload);
}

std::span<const std::byte> Value::as_bytes() const {
  return std::get<Bytes>(expect(ValueKind::kBytes).payload).data;
}

const Array& Value::as_array() const { return as_tensor().array; }

const TensorLeaf& Value::as_tensor() const {
  return *std::get<std::unique_ptr<TensorLeaf>>(expect(ValueKind::kArray).payload);
}

const SparseLeaf& Value::as_sparse() const {
  return *std::get<std::unique_ptr<SparseLeaf>>(expect(ValueKind::kSparse).payload);
}

StateDict Value::as_state_dict() const {
  if (!is_dict()) {
    fail(ErrorCode::kDTypeMismatch, "value", "Expected state_dict to be dict-like, got <class '",
         escaped(python_class(*this)), "'>.");
  }
  StateDict out;
  for (const auto& [key, value] : items()) {
    require(key.is_string(), ErrorCode::kDTypeMismatch, "value", "the keys of a state_dict are str, found ",
            value_kind_name(key.kind()));
    out.set(key.as_string(), StateValue::from_value(value));
  }
  if (const auto metadata = attribute("_metadata"); metadata && metadata->is_dict()) {
    out.set_metadata(StateDict::Metadata{});
    for (const auto& [prefix, entry] : metadata->items()) {
      require(prefix.is_string(), ErrorCode::kDTypeMismatch, "value", "the keys of _metadata are str, found ",
              value_kind_name(prefix.kind()));
      out.metadata()->emplace_back(prefix.as_string(), entry);
    }
  }
  return out;
}

bool Value::is_big_int() const { return std::holds_alternative<BigInt>(expect(ValueKind::kInt).payload); }

std::vector<std::byte> Value::int_bytes() const {
  if (is_big_int()) return std::get<BigInt>(node_->payload).bytes;
  const std::int64_t little = in_order(as_int(), std::endian::little);
  std::vector<std::byte> out(sizeof little);
  std::memcpy(out.data(), &little, sizeof little);
  return out;
}

bool Value::is_bytearray() const { return std::get<Bytes>(expect(ValueKind::kBytes).payload).is_bytearray; }
bool Value::is_frozen() const { return std::get<Sequence>(expect(ValueKind::kSet).payload).is_frozen; }
bool Value::is_ordered_dict() const { return is_dict() && std::get<Mapping>(node_->payload).is_ordered; }

std::size_t Value::size() const {
  if (const auto* sequence = std::get_if<Sequence>(&node_->payload)) return sequence->elements.size();
  return std::get<Mapping>(expect(ValueKind::kDict).payload).entries.size();
}

Value Value::at(std::int64_t index) const {
  if (is_dict()) {
    const auto found = find(index);
    require(found.has_value(), ErrorCode::kNotFound, "value", "no key ", index, " in a dict of ", size());
    return *found;
  }
  require(is_list() || is_tuple(), ErrorCode::kDTypeMismatch, "value", "expected list, tuple or dict, found ",
          value_kind_name(kind()));
  const auto& elements = std::get<Sequence>(node_->payload).elements;
  const auto count = static_cast<std::int64_t>(elements.size());
  require(index >= -count && index < count, ErrorCode::kIndexOutOfRange, "value", "index ", index,
          " is out of range for ", count, " elements");
  return handle(elements[static_cast<std::size_t>(index < 0 ? index + count : index)]);
}

Value Value::at(std::string_view key) const {
  expect(ValueKind::kDict);
  if (auto found = find(key)) return *found;
  std::string known;
  std::size_t named = 0;
  for (const auto& [candidate, value] : items()) {
    if (named == 10) {
      known += ", ...";
      break;
    }
    known += named++ == 0 ? "" : ", ";
    known += candidate.is_string() ? cat("'", escaped(candidate.as_string()), "'")
             : candidate.is_int()  ? std::to_string(candidate.as_int())
                                   : std::string(value_kind_name(candidate.kind()));
  }
  fail(ErrorCode::kNotFound, "value", "no key '", escaped(key), "'; the keys are ",
       known.empty() ? "none" : known);
}

std::optional<Value> Value::find(const Value& key) const {
  const auto& mapping = std::get<Mapping>(expect(ValueKind::kDict).payload);
  const std::optional<std::size_t> position = position_of(mapping, *key.node_);
  if (!position) return std::nullopt;
  return handle(mapping.entries[*position].second);
}

std::vector<Value> Value::elements() const {
  const auto* sequence = std::get_if<Sequence>(&node_->payload);
  require(sequence != nullptr, ErrorCode::kDTypeMismatch, "value", "expected list, tuple or set, found ",
          value_kind_name(kind()));
  std::vector<Value> out;
  out.reserve(sequence->elements.size());
  for (ValueNode* element : sequence->elements) out.push_back(handle(element));
  return out;
}

std::vector<Value::Pair> Value::items() const {
  const auto& mapping = std::get<Mapping>(expect(ValueKind::kDict).payload);
  std::vector<Pair> out;
  out.reserve(mapping.entries.size());
  for (const auto& [key, value] : mapping.entries) out.emplace_back(handle(key), handle(value));
  return out;
}

void Value::append(const Value& element) {
  auto* sequence = std::get_if<Sequence>(&node_->payload);
  require(sequence != nullptr, ErrorCode::kDTypeMismatch, "value", "cannot append to ",
          value_kind_name(kind()));
  ValueNode* added = adopt(element);
  if (is_set()) {
    require(is_hashable(*added), ErrorCode::kDTypeMismatch, "value", "a ", value_kind_name(added->kind),
            " cannot be a member of a set");
    if (!sequence->members) sequence->members.emplace();
    if (!sequence->members->insert(key_text(*added)).second) return;
  }
  sequence->elements.push_back(added);
}

void Value::set_item(const Value& key, const Value& value) {
  auto& mapping = std::get<Mapping>(expect(ValueKind::kDict).payload);
  require(is_hashable(*key.node_), ErrorCode::kDTypeMismatch, "value", "a ", value_kind_name(key.kind()),
          " cannot be a dict key");
  if (key.is_tuple()) static_cast<void>(key_text(*key.node_));  // throws of one that nests too deep for a key
  ValueNode* added = adopt(value);
  auto& entries = mapping.entries;
  const std::uint32_t hash = mapping.index ? KeyIndex::hash_of(*key.node_) : 0;
  if (const auto at =
          mapping.index ? mapping.index->find(entries, *key.node_, hash) : position_of(mapping, *key.node_)) {
    entries[*at].second = added;
    return;
  }
  ValueNode* own_key = adopt(key);
  if (entries.size() == entries.capacity()) entries.reserve(std::max<std::size_t>(4, 2 * entries.size()));
  if (mapping.index) mapping.index->add(hash);
  entries.emplace_back(own_key, added);  // has room: index and entries agree whatever is thrown
  if (!mapping.index) extend_index(mapping);
}

void Value::reserve(std::size_t count) {
  auto* mapping = std::get_if<Mapping>(&node_->payload);
  auto* sequence = std::get_if<Sequence>(&node_->payload);
  require(mapping != nullptr || sequence != nullptr, ErrorCode::kDTypeMismatch, "value",
          "expected a container, found ", value_kind_name(kind()));
  if (sequence != nullptr) return sequence->elements.reserve(count);
  mapping->entries.reserve(count);
  if (count < kIndexFrom) return;
  if (!mapping->index) mapping->index.emplace().extend(mapping->entries);
  mapping->index->reserve(count);
}

void Value::set_attribute(std::string_view name, const Value& value) {
  ValueNode* added = adopt(value);
  if (!node_->attributes) node_->attributes.emplace();
  for (auto& [known, node] : *node_->attributes) {
    if (known == name) {
      node = added;
      return;
    }
  }
  node_->attributes->emplace_back(name, added);
}

std::optional<Value> Value::attribute(std::string_view name) const {
  if (!node_->attributes) return std::nullopt;
  for (const auto& [known, node] : *node_->attributes) {
    if (known == name) return handle(node);
  }
  return std::nullopt;
}

std::vector<std::pair<std::string, Value>> Value::attributes() const {
  std::vector<std::pair<std::string, Value>> out;
  if (!node_->attributes) return out;
  for (const auto& [name, node] : *node_->attributes) out.emplace_back(name, handle(node));
  return out;
}

}  // namespace sconce
