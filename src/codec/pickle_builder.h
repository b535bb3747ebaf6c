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
#include "codec/pickle_stack.h"

namespace sconce::pickle::detail {

// Knows nothing of bytes or opcodes: what it is told comes from the parser, offsets included. Errors:
// kCorrupt for what no pickler writes, kLimit.
class Builder : public StackMachine<NodeId> {
 public:
  Builder(Arena& arena, const Limits& limits) : StackMachine(limits), arena_(arena), keys_(arena) {}

  void note_opcode(std::uint8_t opcode) { arena_.opcodes.set(opcode); }
  void note_protocol(int protocol) { arena_.protocol = protocol; }
  void finish(NodeId root) { arena_.root = root; }

  // --- values ---

  void push_none() { push_new(Kind::kNone); }
  void push_bool(bool value) {
    Record record = record_of(Kind::kBool);
    record.flag = value;
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
  void push_decimal(std::string_view line);
  void push_name(std::string_view text) { push_string(text); }
  void push_string(std::string_view text);
  void push_python2_string(std::string_view text);
  void push_quoted_line(std::string_view line);   // of Python 2
  void push_escaped_line(std::string_view line);  // Latin-1 with \\u escapes
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
  static Record record_of(Kind kind) {
    Record record;
    record.kind = kind;
    return record;
  }
  Record text_record(Kind kind, std::string_view text) const {
    Record record = record_of(kind);
    record.text = text.data();
    record.size = checked_size(text.size());
    return record;
  }
  NodeId add(Record record) {
    charge(sizeof(Record));
    if (arena_.records.size() >= kNoNode) stop(ErrorCode::kLimit, "the pickle has more than 2^32 objects");
    record.set_offset(op_offset());
    arena_.records.push_back(record);
    return static_cast<NodeId>(arena_.records.size() - 1);
  }
  void push_new(const Record& record) { push(add(record)); }
  void push_new(Kind kind) { push_new(record_of(kind)); }
  NodeId add_tuple(std::span<const NodeId> items);
  NodeId add_frozenset(std::span<const NodeId> items);
  void push_object(ObjectKind made_by, NodeId callable, NodeId args, NodeId kwargs = kNoNode);

  Kind kind(NodeId node) const { return arena_.at(node).kind; }
  std::string describe(NodeId node) const;
  std::uint32_t checked_size(std::size_t size) const;
  std::uint32_t key_class(NodeId key);
  // To a sequence of the arena, which is made when it has its first item.
  void append_to(std::uint32_t& sequence, std::span<const NodeId> items);
  void append(NodeId target, std::span<const NodeId> items);
  void set_items(NodeId target, std::span<const NodeId> flat);
  void add_items(NodeId target, std::span<const NodeId> items);

  Arena& arena_;
  Keys keys_;
  std::uint64_t charged_keys_ = 0;
  std::unordered_map<std::string, std::size_t> global_index_;
};

}  // namespace sconce::pickle::detail
