// The pickle machine. Opcodes and their meaning: CPython's Lib/pickletools.py and Modules/_pickle.c.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "codec/pickle_memo.h"
#include "sconce/base/error.h"
#include "sconce/codec/pickle.h"

namespace sconce::pickle::detail {

// Reads opcodes with their arguments from an `In` and tells a `Builder` what they mean, so that whatever goes
// through a pickle goes by the same opcodes.
template <class Builder, class In>
class Machine {
 public:
  using Slot = typename Builder::Slot;

  Machine(Builder& builder, In& in, const Limits& limits) : builder_(builder), in_(in), limits_(limits) {}

  // Up to and with STOP.
  void run() {
    while (!is_at_end_) {
      builder_.begin_op(in_.offset());
      if (++opcode_count_ > limits_.opcodes) {
        builder_.stop_at_limit("pickle", cat("the pickle has more than ", limits_.opcodes, " opcodes"));
      }
      const std::uint8_t opcode = in_.u8();
      builder_.note_opcode(opcode);
      step(opcode);
    }
  }

 private:
  static constexpr int kHighestProtocol = 5;
  static constexpr std::size_t kMostStrays = 1'000'000;  // of the memo; picklers count up

  // ---- memo

  void put(std::uint64_t index) {
    const bool is_new = memo_.get(index) == Memo<Slot>::kNothing;
    if (is_new) {
      if (memo_.count() >= limits_.memo_entries) {
        builder_.stop_at_limit("pickle",
                               cat("the pickle has more than ", limits_.memo_entries, " memo entries"));
      }
      builder_.charge(Memo<Slot>::kEntryBytes);
    }
    memo_.put(index, builder_.top(), is_new);
    if (memo_.strays() > kMostStrays) [[unlikely]] {
      builder_.stop(ErrorCode::kLimit, cat("more than ", kMostStrays, " memo entries are out of order"));
    }
  }
  void get(std::uint64_t index) {
    const Slot value = memo_.get(index);
    if (value == Memo<Slot>::kNothing)
      builder_.corrupt(cat("memo entry ", index, " is used before it is set"));
    builder_.push(value);
  }

  // ---- text forms of protocol 0

  template <class Number>
  Number number_line(std::string_view expected) {
    const std::string_view line = in_.line(limits_.number_bytes);
    Number value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc() || end != line.data() + line.size()) builder_.corrupt(expected);
    return value;
  }
  std::uint64_t index_line() { return number_line<std::uint64_t>("a memo index is not a number"); }
  void op_int() {
    const std::string_view line = in_.line(limits_.number_bytes);
    if (line == "00" || line == "01") return builder_.push_bool(line == "01");
    builder_.push_decimal(line);
  }
  void op_long() {
    std::string_view line = in_.line(limits_.number_bytes);
    if (line.ends_with('L')) line.remove_suffix(1);
    builder_.push_decimal(line);
  }
  void op_global() {
    const auto [module, name] = in_.two_lines(limits_.name_bytes);
    builder_.push_global(module, name);
  }
  void op_inst() {
    const auto [module, name] = in_.two_lines(limits_.name_bytes);
    builder_.push_inst(module, name);
  }
  void op_persid() {
    builder_.push_name(in_.line(limits_.name_bytes));
    builder_.push_persistent();
  }

  // ---- counted forms

  // `n` bytes, where Size is how the count is written.
  template <class Size>
  typename In::Text counted() {
    return in_.text(in_.template little<Size>());
  }
  void op_long4() {
    const auto n = in_.template little<std::int32_t>();
    if (n < 0) builder_.corrupt(cat("a LONG4 of ", n, " bytes"));
    if (static_cast<std::size_t>(n) > limits_.number_bytes) {
      builder_.stop(ErrorCode::kLimit,
                    cat("an integer of ", n, " bytes, the limit is ", limits_.number_bytes));
    }
    builder_.push_big_integer(in_.bytes(static_cast<std::uint64_t>(n)));
  }
  void op_binstring() {
    const auto n = in_.template little<std::int32_t>();
    if (n < 0) builder_.corrupt(cat("a BINSTRING of ", n, " bytes"));
    builder_.push_python2_string(in_.text(static_cast<std::uint64_t>(n)));
  }
  void op_frame() {
    const auto n = in_.template little<std::uint64_t>();
    if (n > in_.remaining()) {
      builder_.stop(ErrorCode::kTruncated,
                    cat("a frame of ", n, " bytes, but ", in_.remaining(), " are left"));
    }
  }
  void op_proto() {
    const int protocol = in_.u8();
    builder_.note_protocol(protocol);
    if (protocol > kHighestProtocol) {
      builder_.stop(ErrorCode::kUnsupported,
                    cat("pickle protocol ", protocol, ", the newest known is ", kHighestProtocol));
    }
  }

  void step(std::uint8_t opcode) {
    switch (opcode) {
      case 0x80:
        return op_proto();
      case '.':
        builder_.finish(builder_.top());
        is_at_end_ = true;
        return;
      case '(':
        return builder_.push_mark();
      case '0':
        return builder_.pop_value_or_mark();
      case '1':
        return builder_.drop_mark();
      case '2':
        return builder_.push(builder_.top());
      case 'N':
        return builder_.push_none();
      case 0x88:
        return builder_.push_bool(true);
      case 0x89:
        return builder_.push_bool(false);
      case 'K':
        return builder_.push_integer(in_.u8());
      case 'M':
        return builder_.push_integer(in_.template little<std::uint16_t>());
      case 'J':
        return builder_.push_integer(in_.template little<std::int32_t>());
      case 0x8A:
        return builder_.push_big_integer(in_.bytes(in_.u8()));
      case 0x8B:
        return op_long4();
      case 'I':
        return op_int();
      case 'L':
        return op_long();
      case 'G':
        return builder_.push_float(in_.template big<double>());
      case 'F':
        return builder_.push_float(number_line<double>("expected a decimal number"));
      case 'X':
        return builder_.push_string(counted<std::uint32_t>());
      case 0x8C:
        return builder_.push_string(counted<std::uint8_t>());
      case 0x8D:
        return builder_.push_string(counted<std::uint64_t>());
      case 'V':
        return builder_.push_escaped_line(in_.text_line());
      case 'U':
        return builder_.push_python2_string(counted<std::uint8_t>());
      case 'T':
        return op_binstring();
      case 'S':
        return builder_.push_quoted_line(in_.text_line());
      case 'C':
        return builder_.push_bytes(Kind::kBytes, counted<std::uint8_t>());
      case 'B':
        return builder_.push_bytes(Kind::kBytes, counted<std::uint32_t>());
      case 0x8E:
        return builder_.push_bytes(Kind::kBytes, counted<std::uint64_t>());
      case 0x96:
        return builder_.push_bytes(Kind::kByteArray, counted<std::uint64_t>());
      case ')':
        return builder_.push_tuple(0);
      case 0x85:
        return builder_.push_tuple(1);
      case 0x86:
        return builder_.push_tuple(2);
      case 0x87:
        return builder_.push_tuple(3);
      case 't':
        return builder_.push_tuple_since_mark();
      case ']':
        return builder_.push_list();
      case 'l':
        return builder_.push_list_since_mark();
      case 'a':
        return builder_.append_one();
      case 'e':
        return builder_.append_since_mark();
      case '}':
        return builder_.push_dict();
      case 'd':
        return builder_.push_dict_since_mark();
      case 's':
        return builder_.set_one_item();
      case 'u':
        return builder_.set_items_since_mark();
      case 0x8F:
        return builder_.push_set();
      case 0x90:
        return builder_.add_items_since_mark();
      case 0x91:
        return builder_.push_frozenset_since_mark();
      case 'c':
        return op_global();
      case 0x93:
        return builder_.push_global_named_by_stack();
      case 'R':
        return builder_.push_reduce();
      case 0x81:
        return builder_.push_newobj();
      case 0x92:
        return builder_.push_newobj_ex();
      case 'o':
        return builder_.push_obj();
      case 'i':
        return op_inst();
      case 'b':
        return builder_.build();
      case 'Q':
        return builder_.push_persistent();
      case 'P':
        return op_persid();
      case 'q':
        return put(in_.u8());
      case 'r':
        return put(in_.template little<std::uint32_t>());
      case 'p':
        return put(index_line());
      case 0x94:
        return put(memo_.count());
      case 'h':
        return get(in_.u8());
      case 'j':
        return get(in_.template little<std::uint32_t>());
      case 'g':
        return get(index_line());
      case 0x95:
        return op_frame();
      case 0x82:
      case 0x83:
      case 0x84:
      case 0x97:
      case 0x98:
        builder_.stop(ErrorCode::kUnsupported,
                      cat("the opcode ", opcode_name(opcode), " refers to data outside the pickle"));
      default:
        builder_.corrupt(cat("expected a pickle opcode, found byte ", int{opcode}));
    }
  }

  Builder& builder_;
  In& in_;
  const Limits& limits_;
  Memo<Slot> memo_;
  std::uint64_t opcode_count_ = 0;
  bool is_at_end_ = false;
};

}  // namespace sconce::pickle::detail
