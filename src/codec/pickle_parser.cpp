// The pickle machine. Opcodes and their meaning: CPython's Lib/pickletools.py and Modules/_pickle.c.
#include <charconv>
#include <system_error>
#include <utility>

#include "codec/pickle_builder.h"
#include "codec/pickle_memo.h"
#include "codec/pickle_text.h"
#include "sconce/base/big_int.h"
#include "sconce/base/byte_reader.h"
#include "sconce/codec/pickle.h"

namespace sconce::pickle {

using detail::Arena;
using detail::Builder;
using detail::kNoNode;
using detail::Memo;
using detail::NodeId;

namespace {

constexpr int kHighestProtocol = 5;

// Reads opcodes with their arguments and tells the builder what they mean.
class Machine {
 public:
  Machine(Arena& arena, std::size_t begin, const Limits& limits)
      : arena_(arena),
        limits_(limits),
        in_(arena.input.bytes.subspan(begin), "pickle", arena.input.base_offset + begin),
        builder_(arena, limits) {}

  void run() {
    while (arena_.root == kNoNode) {
      builder_.begin_op(in_.offset());
      if (++opcode_count_ > limits_.opcodes) {
        builder_.stop(ErrorCode::kLimit, cat("the pickle has more than ", limits_.opcodes, " opcodes"));
      }
      const std::uint8_t opcode = in_.u8();
      arena_.opcodes.set(opcode);
      step(opcode);
    }
  }
  std::size_t position() const { return in_.position(); }

 private:
  // ---- memo

  void put(std::uint64_t index) {
    if (memo_.get(index) == kNoNode) {
      if (memo_.count() >= limits_.memo_entries) {
        builder_.stop(ErrorCode::kLimit,
                      cat("the pickle has more than ", limits_.memo_entries, " memo entries"));
      }
      builder_.charge(Memo::kEntryBytes);
    }
    memo_.put(index, builder_.top());
  }
  void get(std::uint64_t index) {
    const NodeId node = memo_.get(index);
    if (node == kNoNode) builder_.corrupt(cat("memo entry ", index, " is used before it is set"));
    builder_.push(node);
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
  void integer_line(std::string_view line) {
    const auto bytes = integer_from_decimal(line);
    if (!bytes) builder_.corrupt("expected a decimal integer");
    if (const auto small = integer_to_int64(*bytes)) return builder_.push_integer(*small);
    builder_.push_big_integer(as_byte_span(builder_.keep(std::string(as_chars(*bytes)))));
  }
  void op_int() {
    const std::string_view line = in_.line(limits_.number_bytes);
    if (line == "00" || line == "01") return builder_.push_bool(line == "01");
    integer_line(line);
  }
  void op_long() {
    std::string_view line = in_.line(limits_.number_bytes);
    if (line.ends_with('L')) line.remove_suffix(1);
    integer_line(line);
  }
  void op_string() {
    auto text = unquote_python2(in_.line(in_.remaining()));
    if (!text) builder_.corrupt("expected a quoted string");
    builder_.push_python2_string(builder_.keep(std::move(*text)));
  }
  void op_unicode() {
    auto text = decode_raw_unicode_escape(in_.line(in_.remaining()));
    if (!text) builder_.corrupt("a string has a broken \\u escape");
    builder_.push_string(builder_.keep(std::move(*text)));
  }
  void op_global() {
    const std::string_view module = in_.line(limits_.name_bytes);
    builder_.push_global(module, in_.line(limits_.name_bytes));
  }
  void op_inst() {
    const std::string_view module = in_.line(limits_.name_bytes);
    builder_.push_inst(module, in_.line(limits_.name_bytes));
  }
  void op_persid() {
    builder_.push_string(in_.line(limits_.name_bytes));
    builder_.push_persistent();
  }

  // ---- counted forms

  // `n` bytes, where Size is how the count is written.
  template <class Size>
  std::string_view counted() {
    return in_.chars(in_.little<Size>());
  }
  void op_long4() {
    const auto n = in_.little<std::int32_t>();
    if (n < 0) builder_.corrupt(cat("a LONG4 of ", n, " bytes"));
    if (static_cast<std::size_t>(n) > limits_.number_bytes) {
      builder_.stop(ErrorCode::kLimit,
                    cat("an integer of ", n, " bytes, the limit is ", limits_.number_bytes));
    }
    builder_.push_big_integer(in_.bytes(static_cast<std::uint64_t>(n)));
  }
  void op_binstring() {
    const auto n = in_.little<std::int32_t>();
    if (n < 0) builder_.corrupt(cat("a BINSTRING of ", n, " bytes"));
    builder_.push_python2_string(in_.chars(static_cast<std::uint64_t>(n)));
  }
  void op_frame() {
    const auto n = in_.little<std::uint64_t>();
    if (n > in_.remaining()) {
      builder_.stop(ErrorCode::kTruncated,
                    cat("a frame of ", n, " bytes, but ", in_.remaining(), " are left"));
    }
  }
  void op_proto() {
    arena_.protocol = in_.u8();
    if (arena_.protocol > kHighestProtocol) {
      builder_.stop(ErrorCode::kUnsupported,
                    cat("pickle protocol ", arena_.protocol, ", the newest known is ", kHighestProtocol));
    }
  }

  void step(std::uint8_t opcode) {
    switch (opcode) {
      case 0x80:
        return op_proto();
      case '.':
        arena_.root = builder_.top();
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
        return builder_.push_integer(in_.little<std::uint16_t>());
      case 'J':
        return builder_.push_integer(in_.little<std::int32_t>());
      case 0x8A:
        return builder_.push_big_integer(in_.bytes(in_.u8()));
      case 0x8B:
        return op_long4();
      case 'I':
        return op_int();
      case 'L':
        return op_long();
      case 'G':
        return builder_.push_float(in_.big<double>());
      case 'F':
        return builder_.push_float(number_line<double>("expected a decimal number"));
      case 'X':
        return builder_.push_string(counted<std::uint32_t>());
      case 0x8C:
        return builder_.push_string(counted<std::uint8_t>());
      case 0x8D:
        return builder_.push_string(counted<std::uint64_t>());
      case 'V':
        return op_unicode();
      case 'U':
        return builder_.push_python2_string(counted<std::uint8_t>());
      case 'T':
        return op_binstring();
      case 'S':
        return op_string();
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
        return put(in_.little<std::uint32_t>());
      case 'p':
        return put(index_line());
      case 0x94:
        return put(memo_.count());
      case 'h':
        return get(in_.u8());
      case 'j':
        return get(in_.little<std::uint32_t>());
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

  Arena& arena_;
  const Limits& limits_;
  ByteReader in_;
  Builder builder_;
  Memo memo_;
  std::uint64_t opcode_count_ = 0;
};

}  // namespace

Parsed parse_at(Input input, std::size_t begin, const Limits& limits) {
  require(begin <= input.bytes.size(), ErrorCode::kInvalidArgument, "pickle", "expected a position within ",
          input.bytes.size(), " bytes, found ", begin);
  auto arena = std::make_unique<Arena>();
  arena->input = std::move(input);
  Machine machine(*arena, begin, limits);
  std::optional<Error> error;
  try {
    machine.run();
  } catch (const Error& caught) {
    arena->root = kNoNode;
    error = caught;
  }
  return {Graph(std::move(arena)), begin + machine.position(), std::move(error)};
}

Graph parse(std::vector<std::byte> bytes, const Limits& limits) {
  Parsed parsed = parse_at(Input::own(std::move(bytes)), 0, limits);
  if (parsed.error) throw *parsed.error;
  return std::move(parsed.graph);
}

}  // namespace sconce::pickle
