// Takes part in a pickle machine in the place of the builder, and builds nothing: of each value it knows only
// what decides whether the next opcode makes sense.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "codec/pickle_arena.h"
#include "codec/pickle_stack.h"
#include "codec/pickle_window.h"

namespace sconce::pickle::detail {

// The kind of a value, and whether Python would call it unhashable.
using Trait = std::uint8_t;

// Refuses what Builder refuses but what only the content of a value shows (long text, the depth of keys), and
// charges what Builder would but for tables of keys.
class Surveyor : public StackMachine<Trait> {
 public:
  using Text = WindowInput::Text;

  explicit Surveyor(const Limits& limits) : StackMachine(limits, kMostStack) {}

  std::uint64_t nodes() const { return nodes_; }

  void note_opcode(std::uint8_t) {}
  void note_protocol(int) {}
  void finish(Trait) {}

  void push_none() { push_new(Kind::kNone); }
  void push_bool(bool) { push_new(Kind::kBool); }
  void push_integer(std::int64_t) { push_new(Kind::kInt); }
  void push_float(double) { push_new(Kind::kFloat); }
  void push_big_integer(std::span<const std::byte>) { push_new(Kind::kBigInt); }
  void push_decimal(std::string_view line);
  void push_name(std::string_view text) { push_string({text, true}); }
  void push_string(Text text);
  void push_python2_string(Text text);
  void push_quoted_line(Text line);
  void push_escaped_line(Text line);
  void push_bytes(Kind kind, Text) { push_new(kind); }

  void push_tuple(std::size_t n);
  void push_tuple_since_mark();
  void push_list() { push_new(Kind::kList); }
  void push_list_since_mark();
  void push_dict() { push_new(Kind::kDict); }
  void push_dict_since_mark();
  void push_set() { push_new(Kind::kSet); }
  void push_frozenset_since_mark();
  void append_one();
  void append_since_mark();
  void set_one_item();
  void set_items_since_mark();
  void add_items_since_mark();

  void push_global(std::string_view module, std::string_view name);
  void push_global_named_by_stack();
  void push_reduce();
  void push_newobj() { push_reduce(); }
  void push_newobj_ex();
  void push_obj();
  void push_inst(std::string_view module, std::string_view name);
  void build();
  void push_persistent();

 private:
  // Stack and marks of a pickle that means something stay far below.
  static constexpr std::uint64_t kMostStack = std::uint64_t{64} << 20;
  static constexpr Trait kUnhashable = 0x80;

  static Kind kind(Trait value) { return static_cast<Kind>(value & ~kUnhashable); }
  static bool is(Trait value, Kind wanted) { return kind(value) == wanted; }
  static Trait trait_of(Kind kind);
  static Trait tuple_of(std::span<const Trait> items);

  Trait add(Kind kind, std::uint64_t besides = 0) { return add(trait_of(kind), besides); }
  Trait add(Trait value, std::uint64_t besides) {
    charge(sizeof(Record) + besides);
    ++nodes_;
    return value;
  }
  void push_new(Kind kind) { push(add(kind)); }
  Trait add_tuple(std::span<const Trait> items) {
    return add(tuple_of(items), items.size() * sizeof(NodeId));
  }
  void push_object(Trait callable, Trait args);
  void append(Trait target, std::size_t n);
  void set_items(Trait target, std::span<const Trait> flat);
  void require_hashable(Trait key) const;
  [[noreturn]] void unexpected(std::string_view wanted, Trait found) const;

  std::uint64_t nodes_ = 0;
};

}  // namespace sconce::pickle::detail
