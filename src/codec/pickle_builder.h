// The stack of the pickle machine and the nodes that its opcodes make, within limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "codec/pickle_arena.h"
#include "codec/pickle_keys.h"

namespace sconce::pickle::detail {

// Knows nothing of bytes or opcodes: what it is told comes from the parser, offsets included. Errors:
// kCorrupt for what no pickler writes, kLimit.
class Builder {
 public:
  Builder(Arena& arena, const Limits& limits) : arena_(arena), limits_(limits), keys_(arena) {}

  // What follows comes from the opcode at `offset` of the file.
  void begin_op(std::uint64_t offset) { op_offset_ = offset; }
  [[noreturn]] void stop(ErrorCode code, std::string_view text) const;
  [[noreturn]] void corrupt(std::string_view text) const;
  // Counts memory against the limit.
  void charge(std::uint64_t bytes) {
    memory_ += bytes;
    if (memory_ + keys_.memory() > limits_.memory) [[unlikely]] {
      stop_for_memory();
    }
  }

  // --- the stack; values below the last mark are out of reach until the mark is taken ---

  void push(NodeId node) {
    stack_.push_back(node);
    if (stack_.size() > stack_peak_) {
      stack_peak_ = stack_.size();
      charge(sizeof(NodeId));
    }
  }
  NodeId top() const {
    if (stack_.size() <= fence()) corrupt("the stack is empty");
    return stack_.back();
  }
  NodeId pop() {
    const NodeId node = top();
    stack_.pop_back();
    return node;
  }
  void push_mark();
  // Removes the last mark and what is above it.
  void drop_mark() { stack_.resize(pop_mark()); }
  // Removes the value on top, which may be a mark.
  void pop_value_or_mark();

  // --- values ---

  void push_none() { push_new(Kind::kNone); }
  void push_bool(bool value) {
    Record record = record_of(Kind::kBool);
    record.truth = value;
    push_new(record);
  }
  void push_integer(std::int64_t value) {
    Record record = record_of(Kind::kInt);
    record.integer = value;
    push_new(record);
  }
  void push_float(double value) {
    Record record = record_of(Kind::kFloat);
    record.real = value;
    push_new(record);
  }
  // Text and bytes must outlive the graph: a part of its input, or keep()'s result.
  std::string_view keep(std::string text);
  void push_big_integer(std::span<const std::byte> bytes);
  void push_string(std::string_view text);
  void push_python2_string(std::string_view text);
  void push_bytes(Kind kind, std::string_view text) { push_new(text_record(kind, text)); }

  // --- containers (pickle_containers.cpp) ---

  void push_tuple(std::size_t n);  // of the n values on top
  void push_tuple_since_mark();
  void push_list();
  void push_list_since_mark();
  void push_dict();
  void push_dict_since_mark();
  void push_set();
  void push_frozenset_since_mark();
  void append_one();         // the value on top to the list below it
  void append_since_mark();  // to the list below the mark
  void set_one_item();
  void set_items_since_mark();
  void add_items_since_mark();

  // --- what Python would call (pickle_objects.cpp) ---

  void push_global(std::string_view module, std::string_view name);
  void push_global_named_by_stack();
  void push_reduce();
  void push_newobj();
  void push_newobj_ex();
  void push_obj();
  void push_inst(std::string_view module, std::string_view name);
  void build();
  void push_persistent();

 private:
  [[noreturn]] void stop_for_memory() const;

  std::size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  std::size_t pop_mark();
  std::span<const NodeId> since(std::size_t mark) const { return std::span(stack_).subspan(mark); }
  template <class Make>
  void make_from_mark(Make make);
  template <class Fill>
  void fill_from_mark(Fill fill);

  static Record record_of(Kind kind) {
    Record record;
    record.kind = kind;
    return record;
  }
  static Record text_record(Kind kind, std::string_view text) {
    Record record = record_of(kind);
    record.text = text.data();
    record.size = text.size();
    return record;
  }
  NodeId add(Record record) {
    charge(sizeof(Record));
    if (arena_.records.size() >= kNoNode) stop(ErrorCode::kLimit, "the pickle has more than 2^32 objects");
    record.offset = op_offset_;
    arena_.records.push_back(record);
    return static_cast<NodeId>(arena_.records.size() - 1);
  }
  void push_new(const Record& record) { push(add(record)); }
  void push_new(Kind kind) { push_new(record_of(kind)); }
  NodeId add_tuple(std::span<const NodeId> items);
  NodeId add_sequence(Kind kind);
  NodeId add_dict();
  NodeId add_frozenset(std::span<const NodeId> items);
  void push_object(ObjectKind made_by, NodeId callable, NodeId args, NodeId kwargs = kNoNode);

  Kind kind(NodeId node) const { return arena_.at(node).kind; }
  std::string describe(NodeId node) const;
  std::uint32_t key_class(NodeId key);
  void append(NodeId target, std::span<const NodeId> items);
  void set_items(NodeId target, std::span<const NodeId> flat);
  void add_items(NodeId target, std::span<const NodeId> items);

  Arena& arena_;
  const Limits& limits_;
  Keys keys_;
  std::vector<NodeId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::string, std::size_t> global_index_;
  std::uint64_t op_offset_ = 0;
  std::uint64_t memory_ = 0;
  std::size_t stack_peak_ = 0;
  std::size_t marks_peak_ = 0;
};

}  // namespace sconce::pickle::detail
