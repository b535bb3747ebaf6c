// Reads Python pickles (protocols 0 to 5) into an inert graph of nodes. Nothing a pickle names is ever
// called: globals stay names, and what Python would have called is kept as an object node for the layers
// above to interpret or to leave alone. Aliases and cycles are kept.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/byte_source.h"
#include "sconce/base/error.h"

namespace sconce::pickle {

enum class Kind : std::uint8_t {
  kNone,
  kBool,
  kInt,     // fits int64
  kBigInt,  // any other integer
  kFloat,
  kString,  // UTF-8; lone surrogates, which Python allows, as three bytes each
  kBytes,
  kByteArray,
  kList,
  kTuple,
  kDict,
  kSet,
  kFrozenSet,
  kGlobal,      // a module and a name, not resolved
  kObject,      // what Python would have built by a call
  kPersistent,  // an object the pickle's reader must supply, identified by pid()
};

// Python's word for a kind: "int", "str", "global", ...
std::string_view kind_name(Kind kind);

// The opcode family that made an object node.
enum class ObjectKind : std::uint8_t { kReduce, kNewObj, kNewObjEx, kObj, kInst };

// Bounds on what a pickle may cost; reaching one is Error kLimit.
struct Limits {
  std::uint64_t opcodes = 500'000'000;
  std::uint64_t memo_entries = 100'000'000;
  std::uint64_t memory = std::uint64_t{4} << 30;  // bytes of nodes, stack, memo and indices together
  std::string_view memory_name = "memory";        // Error::limit() where that is reached
  std::size_t number_bytes = 1024;                // digits of INT and LONG lines, bytes of LONG4
  std::size_t name_bytes = 65536;                 // text lines of GLOBAL, INST and PERSID
};

// A global as the pickle spells it and as Python 3 knows it (`__builtin__ long` is `builtins int`).
struct Global {
  std::string_view module;
  std::string_view name;
  std::string_view written_module;
  std::string_view written_name;
  std::uint64_t offset = 0;  // of its first use
};

namespace detail {
struct Arena;
struct Entry {
  std::uint32_t key;
  std::uint32_t value;
};
}  // namespace detail

class NodeList;
class PairList;

// A handle to one node, valid as long as its Graph. An accessor that does not fit kind() throws kCorrupt with
// the node's offset, so a reader can state what it expects simply by asking for it.
class Node {
 public:
  Node() = default;
  Node(const detail::Arena* arena, std::uint32_t id) : arena_(arena), id_(id) {}

  std::uint32_t id() const { return id_; }  // equal ids of one graph are one Python object
  std::uint64_t offset() const;             // byte offset of the opcode that made it
  Kind kind() const;
  bool is(Kind wanted) const { return kind() == wanted; }
  bool is_none() const { return is(Kind::kNone); }
  friend bool operator==(const Node& a, const Node& b) { return a.arena_ == b.arena_ && a.id_ == b.id_; }

  bool as_bool() const;
  std::int64_t as_int() const;  // kInt only; a bool is not an int here
  double as_double() const;     // kFloat or kInt
  std::string_view as_string() const;
  std::span<const std::byte> as_bytes() const;    // kBytes or kByteArray
  std::span<const std::byte> as_big_int() const;  // kBigInt: two's complement, little-endian, shortest
  bool is_python2_string() const;                 // kString or kBytes written as Python 2's 8-bit str

  std::size_t size() const;                              // items, or pairs of a dict
  NodeList items() const;                                // list, tuple, set, frozenset; appended to an object
  PairList pairs() const;                                // dict; set on an object with obj[key] = value
  std::optional<Node> find(std::string_view key) const;  // value under a string key of pairs()

  const Global& as_global() const;
  bool is_global(std::string_view module, std::string_view name) const;  // false for every other kind

  ObjectKind object_kind() const;
  Node callable() const;  // function or class: a global, persistent or object node
  NodeList args() const;
  Node args_tuple() const;             // what they stand in; objects may share one
  std::optional<Node> kwargs() const;  // a dict, of kNewObjEx only
  NodeList states() const;             // BUILD arguments, in order
  bool is_call_of(std::string_view module,
                  std::string_view name) const;  // object whose callable is that global

  Node pid() const;

  // What it is, in a few words for an error message: "a tuple of 3 items", "the string 'cpu'".
  std::string describe() const;
  // Throws kCorrupt: "expected <wanted>, found <describe()>" at offset().
  [[noreturn]] void unexpected(std::string_view wanted) const;

 private:
  const detail::Arena* arena_ = nullptr;
  std::uint32_t id_ = 0;
};

// The children of a node, in order.
class NodeList {
 public:
  NodeList(const detail::Arena* arena, std::span<const std::uint32_t> ids) : arena_(arena), ids_(ids) {}
  std::size_t size() const { return ids_.size(); }
  bool empty() const { return ids_.empty(); }
  Node operator[](std::size_t i) const { return {arena_, ids_[i]}; }

  class Iterator {
   public:
    using value_type = Node;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using pointer = void;
    using reference = Node;
    Iterator(const detail::Arena* arena, const std::uint32_t* at) : arena_(arena), at_(at) {}
    Node operator*() const { return {arena_, *at_}; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    const detail::Arena* arena_;
    const std::uint32_t* at_;
  };
  Iterator begin() const { return {arena_, ids_.data()}; }
  Iterator end() const { return {arena_, ids_.data() + ids_.size()}; }

 private:
  const detail::Arena* arena_;
  std::span<const std::uint32_t> ids_;
};

struct Pair {
  Node key;
  Node value;
};

// The pairs of a dict or object, in order of first insertion.
class PairList {
 public:
  PairList(const detail::Arena* arena, std::span<const detail::Entry> entries)
      : arena_(arena), entries_(entries) {}
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  Pair operator[](std::size_t i) const { return {{arena_, entries_[i].key}, {arena_, entries_[i].value}}; }

  class Iterator {
   public:
    using value_type = Pair;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using pointer = void;
    using reference = Pair;
    Iterator(const detail::Arena* arena, const detail::Entry* at) : arena_(arena), at_(at) {}
    Pair operator*() const { return {{arena_, at_->key}, {arena_, at_->value}}; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    const detail::Arena* arena_;
    const detail::Entry* at_;
  };
  Iterator begin() const { return {arena_, entries_.data()}; }
  Iterator end() const { return {arena_, entries_.data() + entries_.size()}; }

 private:
  const detail::Arena* arena_;
  std::span<const detail::Entry> entries_;
};

// The result of reading one pickle: the nodes, and what was seen on the way. Movable; nodes stay valid.
class Graph {
 public:
  explicit Graph(std::unique_ptr<detail::Arena> arena);
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  ~Graph();

  Node root() const;  // Error kState when reading failed before STOP
  std::size_t node_count() const;
  Node node(std::uint32_t id) const;                      // id < node_count()
  int protocol() const;                                   // of the last PROTO opcode; 0 when there is none
  std::span<const Global> globals() const;                // each distinct global once, in order of first use
  const std::bitset<256>& opcodes() const;                // which opcodes occur
  std::span<const std::uint32_t> duplicate_keys() const;  // key nodes whose dict already had an equal key
  // Bytes that Limits::memory left, and the name of that limit: what is made of the nodes may copy what is
  // there once again and again.
  std::uint64_t spare_memory() const;
  std::string_view memory_name() const;
  // Keeps alive, as long as the nodes, what they refer to (Input::owner, given later).
  void keep(std::shared_ptr<const void> owner);

 private:
  std::unique_ptr<detail::Arena> arena_;
};

// Bytes that hold a pickle, and what keeps them alive: nodes refer to them. Without an owner the caller must.
struct Input {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner = nullptr;
  std::uint64_t base_offset = 0;  // of bytes[0] in its file, added to every offset reported

  static Input own(std::vector<std::byte> bytes);
};

struct Parsed {
  Graph graph;                 // on failure: what was read until then
  std::size_t end = 0;         // position in Input::bytes after STOP, or of the failure
  std::optional<Error> error;  // kTruncated, kCorrupt, kLimit, kUnsupported
};

// Reads the pickle that starts at bytes[begin]; what follows its STOP is not looked at. Never throws on bad
// input: `error` says what was wrong, and the graph still lists the globals seen. `nodes` is how many it will
// make, where that is known: room for them is taken at once.
Parsed parse_at(Input input, std::size_t begin, const Limits& limits = {}, std::uint64_t nodes = 0);

// What going through a pickle shows.
struct Survey {
  std::uint64_t end = 0;       // in the source, behind STOP or where the fault shows
  std::uint64_t nodes = 0;     // that parsing makes
  std::uint64_t memory = 0;    // bytes that they, the stack and the memo take, not the tables of keys
  std::optional<Error> error;  // as parse_at() would give it, in other words perhaps
};

// Goes through the pickle in [begin, end) of `source`, in windows, and makes nothing of it: whatever its
// size, that takes little memory, so a damaged one is known before any is spent on it. Faults that only the
// content of a long text or the nesting of a key shows are left to parse_at(). Offsets count from
// `base_offset`, where the pickle begins. Throws what `source` does.
Survey survey(const ByteSource& source, std::uint64_t begin, std::uint64_t end, const Limits& limits = {},
              std::uint64_t base_offset = 0);

// Reads one pickle from the start of `bytes`, throwing its error.
Graph parse(std::vector<std::byte> bytes, const Limits& limits = {});

// Name of an opcode as in Python's pickletools ("BINGET"), or "" when there is no such opcode.
std::string_view opcode_name(std::uint8_t opcode);

}  // namespace sconce::pickle
