// What a checkpoint holds: a graph of Python-like values, none of which can run.
#pragma once

#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/base/rare.h"
#include "sconce/core/array.h"

namespace sconce {

class StateDict;
class ValueArena;

namespace detail {
struct ValueNode;
struct ValueGraph;
}  // namespace detail

enum class ValueKind : std::uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,
  kComplex,
  kString,
  kBytes,
  kList,
  kTuple,
  kSet,
  kDict,
  kArray,
  kSparse,
  kObject,
};

// Name of a kind as Python spells the type: "dict", "str", ...
std::string_view value_kind_name(ValueKind kind);

// How a quantized array's integers become numbers: value = (integer - zero_point) * scale.
struct Quantization {
  std::string scheme = "per_tensor_affine";  // torch's qscheme name without "torch."
  double scale = 1;
  std::int64_t zero_point = 0;
  Array scales;       // per channel: one scale per channel; undefined per tensor
  Array zero_points;  // per channel, as scales
  std::int64_t axis = 0;
  // Where several values share a byte (quint4x2, quint2x4): the tensor's sizes and strides, in values. The
  // array is then its bytes, contiguous. The offset is the array's, which PyTorch counts in bytes here.
  std::optional<Geometry> packed = std::nullopt;
};

// A storage that was saved by itself, torch.FloatStorage or torch.UntypedStorage rather than a tensor over
// it.
enum class BareStorage : std::uint8_t { kNo, kTyped, kUntyped };

// Of a torch.distributed DTensor, of which a file holds what one rank held: the whole.
struct ShardOf {
  Shape shape;                          // of the whole tensor
  std::vector<std::string> placements;  // one per dimension of the mesh: "Shard(dim=0)", "Replicate()"
};

// The placements with commas between them; "unknown" where there are none.
std::string placements_text(const ShardOf& shard);

// An array as it stands in a checkpoint.
struct TensorLeaf {
  Array array;
  bool requires_grad = false;
  bool is_parameter = false;   // nn.Parameter rather than Tensor
  std::string device = "cpu";  // as written ("cuda:0"); the data is in memory whatever it says
  Rare<Quantization> quantization = std::nullopt;  // for quantized dtypes
  BareStorage bare_storage = BareStorage::kNo;     // not kNo: `array` is all elements of the storage
  std::shared_ptr<const ShardOf> shard_of = {};    // what `array` is a part of; null where it is none
};

// A sparse tensor, kept as its parts.
struct SparseLeaf {
  std::string layout;   // "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"
  Array indices;        // COO: (sparse dims, nnz); compressed: the compressed indices
  Array plain_indices;  // compressed layouts only
  Array values;
  Shape size;
  std::optional<bool> is_coalesced;
  bool requires_grad = false;  // torch.save forgets it, except of a Parameter
  bool is_parameter = false;   // nn.Parameter rather than Tensor
  std::string device = "cpu";  // of `values`, as written
};

// How a Python object that sconce does not know came to be. Nothing here is ever called.
enum class ObjectKind : std::uint8_t {
  kGlobal,      // module.name itself: a class or function that is only named
  kReduce,      // callable(*args)
  kNew,         // cls.__new__(cls, *args, **kwargs)
  kPersistent,  // a persistent id that means nothing to us; args is the id
};

// A cheap handle to a node of a graph. Copies refer to the same node, and containers hold nodes, not copies:
// two places of a checkpoint that shared an object still do, and cycles are possible (and are freed). The
// graph lives as long as any handle into it. A graph is one thread's business while it is changed.
class Value {
 public:
  // None.
  Value();
  Value(std::nullptr_t) : Value() {}  // NOLINT(google-explicit-constructor)
  template <std::same_as<bool> T>
  Value(T value) : Value(of_bool(value)) {}  // NOLINT(google-explicit-constructor)
  template <std::integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, char>) Value(T value)
      : Value(of_integral(value)) {}  // NOLINT(google-explicit-constructor)
  template <std::floating_point T>
  Value(T value) : Value(of_float(static_cast<double>(value))) {}    // NOLINT(google-explicit-constructor)
  Value(std::complex<double> value);                                 // NOLINT(google-explicit-constructor)
  Value(const char* text) : Value(std::string_view(text)) {}         // NOLINT(google-explicit-constructor)
  Value(const std::string& text) : Value(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)
  Value(std::string_view text);                                      // NOLINT(google-explicit-constructor)
  Value(Array array);                                                // NOLINT(google-explicit-constructor)
  Value(TensorLeaf leaf);                                            // NOLINT(google-explicit-constructor)
  Value(SparseLeaf leaf);                                            // NOLINT(google-explicit-constructor)
  Value(const StateDict& state);  // NOLINT(google-explicit-constructor): an OrderedDict with _metadata

  using Pair = std::pair<Value, Value>;
  static Value bytes(std::span<const std::byte> data, bool is_bytearray = false);
  static Value list(std::initializer_list<Value> elements = {});
  static Value tuple(std::initializer_list<Value> elements = {});
  static Value set(std::initializer_list<Value> elements = {}, bool is_frozen = false);
  static Value dict(std::initializer_list<Pair> entries = {});
  static Value ordered_dict(std::initializer_list<Pair> entries = {});

  ValueKind kind() const;
  bool is_none() const { return kind() == ValueKind::kNone; }
  bool is_bool() const { return kind() == ValueKind::kBool; }
  bool is_int() const { return kind() == ValueKind::kInt; }
  bool is_float() const { return kind() == ValueKind::kFloat; }
  bool is_complex() const { return kind() == ValueKind::kComplex; }
  bool is_string() const { return kind() == ValueKind::kString; }
  bool is_bytes() const { return kind() == ValueKind::kBytes; }
  bool is_list() const { return kind() == ValueKind::kList; }
  bool is_tuple() const { return kind() == ValueKind::kTuple; }
  bool is_set() const { return kind() == ValueKind::kSet; }
  bool is_dict() const { return kind() == ValueKind::kDict; }
  bool is_array() const { return kind() == ValueKind::kArray; }
  bool is_sparse() const { return kind() == ValueKind::kSparse; }
  bool is_object() const { return kind() == ValueKind::kObject; }

  // The content; Error kDTypeMismatch names what was expected and what was found.
  bool as_bool() const;
  std::int64_t as_int() const;  // Error kOverflow for an int beyond 64 bits
  double as_float() const;      // an int converts, as in Python
  std::complex<double> as_complex() const;
  const std::string& as_string() const;  // UTF-8; lone surrogates as three bytes
  std::span<const std::byte> as_bytes() const;
  const Array& as_array() const;
  const TensorLeaf& as_tensor() const;
  const SparseLeaf& as_sparse() const;
  // A dict of name -> array. Other values become extra state. Error kDTypeMismatch when this is no dict, in
  // PyTorch's words, or a key is not a str.
  StateDict as_state_dict() const;

  // True for an int that does not fit 64 bits; its bytes are two's complement, least significant first.
  bool is_big_int() const;
  std::vector<std::byte> int_bytes() const;
  bool is_bytearray() const;
  bool is_frozen() const;        // of a set
  bool is_ordered_dict() const;  // collections.OrderedDict rather than dict

  // Containers. size() counts elements of list, tuple, set and entries of dict.
  std::size_t size() const;
  // list, tuple: the element (negative counts from the end). dict: the value of an int key.
  Value at(std::int64_t index_or_key) const;
  template <std::integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, char> && !std::same_as<T, std::int64_t>) Value
      at(T index_or_key)
  const { return at(static_cast<std::int64_t>(index_or_key)); }
  // dict: the value of a key, with Python's equality of keys; Error kNotFound names the keys there are.
  Value at(std::string_view key) const;
  Value at(const char* key) const { return at(std::string_view(key)); }
  Value at(const std::string& key) const { return at(std::string_view(key)); }
  std::optional<Value> find(const Value& key) const;
  bool contains(const Value& key) const { return find(key).has_value(); }
  std::vector<Value> elements() const;  // list, tuple, set
  std::vector<Pair> items() const;      // dict

  // Changing containers in place; every handle to the node sees it.
  void append(const Value& element);                    // list, tuple under construction, set
  void set_item(const Value& key, const Value& value);  // dict: replaces, or appends a new key
  void reserve(std::size_t count);                      // room for so many elements or entries
  // Takes out every direct part of this value for which `is_dropped` says so. Entries of a dict, attributes
  // and what was set on an object vanish; in lists, tuples and calls None takes the part's place, so that the
  // others keep theirs. True when there was such a part.
  bool drop_parts(const std::function<bool(const Value& part)>& is_dropped);
  // Every direct part: elements, values of entries, attributes, the parts of an object's call and state.
  std::vector<Value> parts() const;
  // Python attributes of a dict (OrderedDict's _metadata) or tensor.
  void set_attribute(std::string_view name, const Value& value);
  std::optional<Value> attribute(std::string_view name) const;
  std::vector<std::pair<std::string, Value>> attributes() const;

  // Objects.
  static Value global(std::string_view module, std::string_view name);
  static Value object(ObjectKind kind, const Value& callable, const Value& args, const Value& kwargs = {});
  ObjectKind object_kind() const;
  std::string global_module() const;  // of the global itself, or of the global it was made with; else empty
  std::string global_name() const;
  Value object_callable() const;  // kReduce, kNew: the function or class
  Value object_args() const;
  Value object_kwargs() const;
  std::vector<Value> object_elements() const;  // what was appended
  std::vector<Pair> object_items() const;      // what was set by key
  std::vector<Value> object_states() const;    // what was given to __setstate__
  void add_object_element(const Value& element);
  void add_object_item(const Value& key, const Value& value);
  void add_object_state(const Value& state);

  // The node's identity: equal for handles to one node.
  const void* id() const { return node_; }
  bool is(const Value& other) const { return node_ == other.node_; }

 private:
  friend class ValueArena;
  Value(std::shared_ptr<detail::ValueGraph> graph, detail::ValueNode* node);
  static Value of_bool(bool value);
  static Value of_float(double value);
  static Value of_int(std::int64_t value);
  static Value of_unsigned(std::uint64_t value);
  template <class T>
  static Value of_integral(T value) {
    if constexpr (std::unsigned_integral<T>)
      return of_unsigned(value);
    else
      return of_int(value);
  }
  const detail::ValueNode& expect(ValueKind kind) const;
  detail::ValueNode& expect(ValueKind kind);
  detail::ValueNode* adopt(const Value& other) const;
  Value handle(detail::ValueNode* node) const;

  std::shared_ptr<detail::ValueGraph> graph_;
  detail::ValueNode* node_ = nullptr;
};

// Makes values in one graph from the start: what a reader of large files uses.
class ValueArena {
 public:
  ValueArena();
  Value none() const;
  Value boolean(bool value) const;
  Value integer(std::int64_t value) const;
  // Two's complement, least significant byte first; small values become ordinary ints.
  Value integer(std::span<const std::byte> twos_complement) const;
  Value real(double value) const;
  Value complex(std::complex<double> value) const;
  Value string(std::string_view text) const;
  Value bytes(std::span<const std::byte> data, bool is_bytearray = false) const;
  Value list() const;
  Value tuple() const;
  Value set(bool is_frozen = false) const;
  Value dict(bool is_ordered = false) const;
  Value array(TensorLeaf leaf) const;
  Value sparse(SparseLeaf leaf) const;
  Value global(std::string_view module, std::string_view name) const;
  Value object(ObjectKind kind, const Value& callable, const Value& args, const Value& kwargs) const;

 private:
  template <class Payload>
  Value make(ValueKind kind, Payload payload) const;
  std::shared_ptr<detail::ValueGraph> graph_;
};

}  // namespace sconce
