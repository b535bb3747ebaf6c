// The pickle machine. Opcodes and their meaning: CPython's Lib/pickletools.py and Modules/_pickle.c.
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "codec/pickle_arena.h"
#include "codec/pickle_keys.h"
#include "codec/pickle_text.h"
#include "sconce/base/byte_reader.h"
#include "sconce/codec/big_int.h"
#include "sconce/codec/pickle.h"
#include "sconce/codec/pickle_names.h"

namespace sconce::pickle {

using detail::Arena;
using detail::Entry;
using detail::kNoNode;
using detail::NodeId;
using detail::ObjectData;
using detail::Record;

namespace {

constexpr int kHighestProtocol = 5;

// Integer -> node. Indices usually count up from 0; a table holds those, a map the strays, so that a few
// large indices cannot make the table large.
class Memo {
 public:
  void put(std::uint64_t index, NodeId node) {
    constexpr std::size_t kGap = 1024;
    if (get(index) == kNoNode) ++count_;
    if (index < 2 * count_ + kGap) {
      if (index >= dense_.size()) dense_.resize(index + 1, kNoNode);
      dense_[index] = node;
    } else {
      sparse_[index] = node;
    }
  }
  NodeId get(std::uint64_t index) const {
    if (index < dense_.size() && dense_[index] != kNoNode) return dense_[index];
    const auto at = sparse_.find(index);
    return at == sparse_.end() ? kNoNode : at->second;
  }
  std::uint64_t count() const { return count_; }

  static constexpr std::uint64_t kEntryBytes = 48;

 private:
  std::vector<NodeId> dense_;
  std::unordered_map<std::uint64_t, NodeId> sparse_;
  std::uint64_t count_ = 0;
};

class Machine {
 public:
  Machine(Arena& arena, std::size_t begin, const Limits& limits)
      : arena_(arena),
        limits_(limits),
        in_(arena.input.bytes.subspan(begin), "pickle", arena.input.base_offset + begin),
        keys_(arena) {}

  void run() {
    while (arena_.root == kNoNode) {
      op_offset_ = in_.offset();
      if (++opcode_count_ > limits_.opcodes) {
        stop(ErrorCode::kLimit, cat("the pickle has more than ", limits_.opcodes, " opcodes"));
      }
      const std::uint8_t opcode = in_.u8();
      arena_.opcodes.set(opcode);
      step(opcode);
    }
  }
  std::size_t position() const { return in_.position(); }

 private:
  [[noreturn]] void stop(ErrorCode code, std::string_view text) const {
    throw Error(code, "pickle", text).at_offset(op_offset_);
  }
  [[noreturn]] void corrupt(std::string_view text) const { stop(ErrorCode::kCorrupt, text); }

  // ---- memory, nodes and the stack

  void charge(std::uint64_t bytes) {
    memory_ += bytes;
    if (memory_ + keys_.memory() > limits_.memory) {
      stop(ErrorCode::kLimit, cat("the pickle needs more than ", limits_.memory, " bytes of memory"));
    }
  }

  NodeId add(Record record) {
    charge(sizeof(Record));
    if (arena_.records.size() >= kNoNode) stop(ErrorCode::kLimit, "the pickle has more than 2^32 objects");
    record.offset = op_offset_;
    arena_.records.push_back(record);
    return static_cast<NodeId>(arena_.records.size() - 1);
  }
  static Record record_of(Kind kind) {
    Record record;
    record.kind = kind;
    return record;
  }
  void push(NodeId node) {
    stack_.push_back(node);
    if (stack_.size() > stack_peak_) {
      stack_peak_ = stack_.size();
      charge(sizeof(NodeId));
    }
  }
  void push_new(Record record) { push(add(record)); }

  // Values below the last mark are out of reach until the mark is taken.
  std::size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  NodeId top() const {
    if (stack_.size() <= fence()) corrupt("the stack is empty");
    return stack_.back();
  }
  NodeId pop() {
    const NodeId node = top();
    stack_.pop_back();
    return node;
  }
  std::size_t pop_mark() {
    if (marks_.empty()) corrupt("expected a mark on the stack, there is none");
    const std::size_t at = marks_.back();
    marks_.pop_back();
    return at;
  }
  // The values above the last mark, which is removed; drop_to() removes them when they are used.
  std::span<const NodeId> since(std::size_t mark) const { return std::span(stack_).subspan(mark); }
  void drop_to(std::size_t size) { stack_.resize(size); }

  Kind kind(NodeId node) const { return arena_.at(node).kind; }
  std::string describe(NodeId node) const { return Node(&arena_, node).describe(); }

  // ---- making values

  void push_integer(std::int64_t value) {
    Record record = record_of(Kind::kInt);
    record.integer = value;
    push_new(record);
  }
  void push_bool(bool value) {
    Record record = record_of(Kind::kBool);
    record.truth = value;
    push_new(record);
  }
  void push_float(double value) {
    Record record = record_of(Kind::kFloat);
    record.real = value;
    push_new(record);
  }
  Record text_record(Kind kind, std::string_view text) const {
    Record record = record_of(kind);
    record.text = text.data();
    record.size = text.size();
    return record;
  }
  std::string_view keep(std::string text) {
    charge(text.size() + sizeof(std::string));
    return arena_.owned.emplace_back(std::move(text));
  }
  // `bytes` must outlive the graph.
  void push_big_integer(std::span<const std::byte> bytes) {
    if (const auto small = integer_to_int64(bytes)) return push_integer(*small);
    push_new(text_record(Kind::kBigInt, as_chars(shortest_integer(bytes))));
  }
  void push_string(std::string_view text) {
    if (!is_python_utf8(text)) corrupt("a string is not valid UTF-8");
    push_new(text_record(Kind::kString, text));
  }
  void push_python2_string(std::string_view text) {
    Record record = text_record(is_utf8(text) ? Kind::kString : Kind::kBytes, text);
    record.python2 = true;
    push_new(record);
  }
  void push_bytes(Kind kind, std::string_view text) { push_new(text_record(kind, text)); }

  NodeId add_tuple(std::span<const NodeId> items) {
    Record record = record_of(Kind::kTuple);
    record.first = arena_.children.size();
    record.size = items.size();
    charge(items.size() * sizeof(NodeId));
    arena_.children.insert(arena_.children.end(), items.begin(), items.end());
    return add(record);
  }
  void push_tuple(std::size_t n) {
    if (stack_.size() - fence() < n) corrupt(cat("a tuple needs ", n, " values, the stack has fewer"));
    const NodeId node = add_tuple(since(stack_.size() - n));
    drop_to(stack_.size() - n);
    push(node);
  }
  NodeId add_sequence(Kind kind) {
    Record record = record_of(kind);
    record.side = static_cast<std::uint32_t>(arena_.sequences.size());
    charge(sizeof(std::vector<NodeId>));
    arena_.sequences.emplace_back();
    return add(record);
  }
  NodeId add_dict() {
    Record record = record_of(Kind::kDict);
    record.side = static_cast<std::uint32_t>(arena_.dicts.size());
    charge(sizeof(std::vector<Entry>));
    arena_.dicts.emplace_back();
    return add(record);
  }
  void push_global(std::string_view module, std::string_view name) {
    if (!is_utf8(module) || !is_utf8(name)) corrupt("the name of a global is not valid UTF-8");
    const auto [at, fresh] = global_index_.try_emplace(cat(module, '\n', name), arena_.globals.size());
    if (fresh) {
      charge(sizeof(Global) + 2 * (module.size() + name.size()) + 64);
      const QualifiedName modern = modern_name({module, name});
      arena_.globals.push_back({modern.module, modern.name, module, name, op_offset_});
    }
    Record record = record_of(Kind::kGlobal);
    record.side = static_cast<std::uint32_t>(at->second);
    push_new(record);
  }

  // ---- filling containers

  std::uint32_t key_class(NodeId key) {
    const auto found = keys_.class_of(key);
    if (!found) corrupt(cat("a dict key or set element must be hashable, found ", describe(key)));
    charge(0);
    return *found;
  }

  void append(NodeId target, std::span<const NodeId> items) {
    const Record& record = arena_.at(target);
    if (record.kind != Kind::kList && record.kind != Kind::kObject) {
      corrupt(cat("expected a list to append to, found ", describe(target)));
    }
    auto& list =
        record.kind == Kind::kList ? arena_.sequences[record.side] : arena_.objects[record.side].items;
    charge(2 * items.size() * sizeof(NodeId));
    list.insert(list.end(), items.begin(), items.end());
  }

  void set_items(NodeId target, std::span<const NodeId> flat) {
    const Record record = arena_.at(target);
    if (record.kind != Kind::kDict && record.kind != Kind::kObject) {
      corrupt(cat("expected a dict to set items of, found ", describe(target)));
    }
    if (flat.size() % 2 != 0) corrupt("a dict needs keys and values in pairs, found an odd number");
    auto& entries =
        record.kind == Kind::kDict ? arena_.dicts[record.side] : arena_.objects[record.side].pairs;
    for (std::size_t i = 0; i < flat.size(); i += 2) {
      const auto position = static_cast<std::uint32_t>(entries.size());
      if (const auto present = keys_.insert(target, key_class(flat[i]), position)) {
        charge(sizeof(NodeId));
        arena_.duplicate_keys.push_back(flat[i]);
        entries[*present].value = flat[i + 1];
      } else {
        charge(2 * sizeof(Entry));
        entries.push_back({flat[i], flat[i + 1]});
      }
    }
  }

  void add_items(NodeId target, std::span<const NodeId> items) {
    const Record record = arena_.at(target);
    if (record.kind == Kind::kObject) return append(target, items);
    if (record.kind != Kind::kSet) corrupt(cat("expected a set to add to, found ", describe(target)));
    auto& elements = arena_.sequences[record.side];
    for (const NodeId item : items) {
      const auto position = static_cast<std::uint32_t>(elements.size());
      if (keys_.insert(target, key_class(item), position)) continue;
      charge(2 * sizeof(NodeId));
      elements.push_back(item);
    }
  }

  NodeId add_frozenset(std::span<const NodeId> items) {
    Record record = record_of(Kind::kFrozenSet);
    const NodeId node = add(record);
    std::vector<NodeId> distinct;
    for (const NodeId item : items) {
      if (!keys_.insert(node, key_class(item), 0)) distinct.push_back(item);
    }
    charge(distinct.size() * sizeof(NodeId));
    arena_.records[node].first = arena_.children.size();
    arena_.records[node].size = distinct.size();
    arena_.children.insert(arena_.children.end(), distinct.begin(), distinct.end());
    return node;
  }

  // ---- objects

  void push_object(ObjectKind made_by, NodeId callable, NodeId args, NodeId kwargs = kNoNode) {
    const Kind what = kind(callable);
    if (what != Kind::kGlobal && what != Kind::kObject && what != Kind::kPersistent) {
      corrupt(cat("expected a class or function, found ", describe(callable)));
    }
    if (kind(args) != Kind::kTuple) corrupt(cat("expected a tuple of arguments, found ", describe(args)));
    Record record = record_of(Kind::kObject);
    record.side = static_cast<std::uint32_t>(arena_.objects.size());
    charge(sizeof(ObjectData));
    ObjectData& object = arena_.objects.emplace_back();
    object.kind = made_by;
    object.callable = callable;
    object.args = args;
    object.kwargs = kwargs;
    push_new(record);
  }

  void reduce() {
    const NodeId args = pop();
    push_object(ObjectKind::kReduce, pop(), args);
  }
  void newobj() {
    const NodeId args = pop();
    push_object(ObjectKind::kNewObj, pop(), args);
  }
  void newobj_ex() {
    const NodeId kwargs = pop();
    const NodeId args = pop();
    if (kind(kwargs) != Kind::kDict) {
      corrupt(cat("expected a dict of keyword arguments, found ", describe(kwargs)));
    }
    push_object(ObjectKind::kNewObjEx, pop(), args, kwargs);
  }
  void obj() {
    const std::size_t mark = pop_mark();
    const auto values = since(mark);
    if (values.empty()) corrupt("expected a class above the mark, found nothing");
    const NodeId cls = values[0];
    const NodeId args = add_tuple(values.subspan(1));
    drop_to(mark);
    push_object(ObjectKind::kObj, cls, args);
  }
  void inst() {
    const std::string_view module = in_.line(limits_.name_bytes);
    const std::string_view name = in_.line(limits_.name_bytes);
    const std::size_t mark = pop_mark();
    const NodeId args = add_tuple(since(mark));
    drop_to(mark);
    push_global(module, name);
    push_object(ObjectKind::kInst, pop(), args);
  }
  void build() {
    const NodeId state = pop();
    const Record& record = arena_.at(top());
    if (record.kind != Kind::kObject) corrupt(cat("expected an object to set up, found ", describe(top())));
    charge(2 * sizeof(NodeId));
    arena_.objects[record.side].states.push_back(state);
  }
  void persid(NodeId pid) {
    Record record = record_of(Kind::kPersistent);
    record.first = pid;
    push_new(record);
  }
  void stack_global() {
    const NodeId name = pop();
    const NodeId module = pop();
    if (kind(name) != Kind::kString || kind(module) != Kind::kString) {
      corrupt(cat("a global needs two strings, found ", describe(module), " and ", describe(name)));
    }
    push_global(arena_.text(arena_.at(module)), arena_.text(arena_.at(name)));
  }

  // ---- memo

  void put(std::uint64_t index) {
    if (memo_.get(index) == kNoNode) {
      if (memo_.count() >= limits_.memo_entries) {
        stop(ErrorCode::kLimit, cat("the pickle has more than ", limits_.memo_entries, " memo entries"));
      }
      charge(Memo::kEntryBytes);
    }
    memo_.put(index, top());
  }
  void get(std::uint64_t index) {
    const NodeId node = memo_.get(index);
    if (node == kNoNode) corrupt(cat("memo entry ", index, " is used before it is set"));
    push(node);
  }

  // ---- text forms of protocol 0

  std::uint64_t index_line() {
    const std::string_view line = in_.line(limits_.number_bytes);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc() || end != line.data() + line.size()) corrupt("a memo index is not a number");
    return value;
  }
  void integer_line(std::string_view line) {
    const auto bytes = integer_from_decimal(line);
    if (!bytes) corrupt("expected a decimal integer");
    if (const auto small = integer_to_int64(*bytes)) return push_integer(*small);
    push_big_integer(as_byte_span(keep(std::string(as_chars(*bytes)))));
  }
  void op_int() {
    const std::string_view line = in_.line(limits_.number_bytes);
    if (line == "00" || line == "01") return push_bool(line == "01");
    integer_line(line);
  }
  void op_long() {
    std::string_view line = in_.line(limits_.number_bytes);
    if (line.ends_with('L')) line.remove_suffix(1);
    integer_line(line);
  }
  void op_float() {
    const std::string_view line = in_.line(limits_.number_bytes);
    double value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc() || end != line.data() + line.size()) corrupt("expected a decimal number");
    push_float(value);
  }
  void op_string() {
    auto text = unquote_python2(in_.line(in_.remaining()));
    if (!text) corrupt("expected a quoted string");
    push_python2_string(keep(std::move(*text)));
  }
  void op_unicode() {
    auto text = decode_raw_unicode_escape(in_.line(in_.remaining()));
    if (!text) corrupt("a string has a broken \\u escape");
    push_string(keep(std::move(*text)));
  }

  // ---- counted forms

  void op_long4() {
    const auto n = in_.little<std::int32_t>();
    if (n < 0) corrupt(cat("a LONG4 of ", n, " bytes"));
    if (static_cast<std::size_t>(n) > limits_.number_bytes) {
      stop(ErrorCode::kLimit, cat("an integer of ", n, " bytes, the limit is ", limits_.number_bytes));
    }
    push_big_integer(in_.bytes(static_cast<std::uint64_t>(n)));
  }
  void op_binstring() {
    const auto n = in_.little<std::int32_t>();
    if (n < 0) corrupt(cat("a BINSTRING of ", n, " bytes"));
    push_python2_string(in_.chars(static_cast<std::uint64_t>(n)));
  }
  void op_frame() {
    const auto n = in_.little<std::uint64_t>();
    if (n > in_.remaining()) {
      stop(ErrorCode::kTruncated, cat("a frame of ", n, " bytes, but ", in_.remaining(), " are left"));
    }
  }
  void op_proto() {
    arena_.protocol = in_.u8();
    if (arena_.protocol > kHighestProtocol) {
      stop(ErrorCode::kUnsupported, cat("pickle protocol ", arena_.protocol, ", the newest known is ", 5));
    }
  }
  void op_pop() {
    if (!marks_.empty() && marks_.back() == stack_.size()) {
      marks_.pop_back();
    } else {
      pop();
    }
  }
  void op_mark() {
    marks_.push_back(stack_.size());
    if (marks_.size() > marks_peak_) {
      marks_peak_ = marks_.size();
      charge(sizeof(std::size_t));
    }
  }

  // Runs `fill(target, values)` with the values above the last mark and the value below it.
  template <class Fill>
  void fill_from_mark(Fill fill) {
    const std::size_t mark = pop_mark();
    if (mark <= fence()) corrupt("expected a container below the mark, found nothing");
    fill(stack_[mark - 1], since(mark));
    drop_to(mark);
  }
  template <class Make>
  void make_from_mark(Make make) {
    const std::size_t mark = pop_mark();
    const NodeId node = make(since(mark));
    drop_to(mark);
    push(node);
  }

  void step(std::uint8_t opcode) {
    switch (opcode) {
      case 0x80:
        return op_proto();
      case '.':
        arena_.root = top();
        return;
      case '(':
        return op_mark();
      case '0':
        return op_pop();
      case '1':
        return drop_to(pop_mark());
      case '2':
        return push(top());
      case 'N':
        return push_new(record_of(Kind::kNone));
      case 0x88:
        return push_bool(true);
      case 0x89:
        return push_bool(false);
      case 'K':
        return push_integer(in_.u8());
      case 'M':
        return push_integer(in_.little<std::uint16_t>());
      case 'J':
        return push_integer(in_.little<std::int32_t>());
      case 0x8A:
        return push_big_integer(in_.bytes(in_.u8()));
      case 0x8B:
        return op_long4();
      case 'I':
        return op_int();
      case 'L':
        return op_long();
      case 'G':
        return push_float(in_.big<double>());
      case 'F':
        return op_float();
      case 'X':
        return push_string(in_.chars(in_.little<std::uint32_t>()));
      case 0x8C:
        return push_string(in_.chars(in_.u8()));
      case 0x8D:
        return push_string(in_.chars(in_.little<std::uint64_t>()));
      case 'V':
        return op_unicode();
      case 'U':
        return push_python2_string(in_.chars(in_.u8()));
      case 'T':
        return op_binstring();
      case 'S':
        return op_string();
      case 'C':
        return push_bytes(Kind::kBytes, in_.chars(in_.u8()));
      case 'B':
        return push_bytes(Kind::kBytes, in_.chars(in_.little<std::uint32_t>()));
      case 0x8E:
        return push_bytes(Kind::kBytes, in_.chars(in_.little<std::uint64_t>()));
      case 0x96:
        return push_bytes(Kind::kByteArray, in_.chars(in_.little<std::uint64_t>()));
      case ')':
        return push_tuple(0);
      case 0x85:
        return push_tuple(1);
      case 0x86:
        return push_tuple(2);
      case 0x87:
        return push_tuple(3);
      case 't':
        return make_from_mark([this](auto values) { return add_tuple(values); });
      case ']':
        return push(add_sequence(Kind::kList));
      case 'l':
        return make_from_mark([this](auto values) {
          const NodeId list = add_sequence(Kind::kList);
          append(list, values);
          return list;
        });
      case 'a': {
        const NodeId item = pop();
        return append(top(), {&item, 1});
      }
      case 'e':
        return fill_from_mark([this](NodeId target, auto values) { append(target, values); });
      case '}':
        return push(add_dict());
      case 'd':
        return make_from_mark([this](auto values) {
          const NodeId dict = add_dict();
          set_items(dict, values);
          return dict;
        });
      case 's': {
        const NodeId value = pop();
        const NodeId key = pop();
        const NodeId flat[] = {key, value};
        return set_items(top(), flat);
      }
      case 'u':
        return fill_from_mark([this](NodeId target, auto values) { set_items(target, values); });
      case 0x8F:
        return push(add_sequence(Kind::kSet));
      case 0x90:
        return fill_from_mark([this](NodeId target, auto values) { add_items(target, values); });
      case 0x91:
        return make_from_mark([this](auto values) { return add_frozenset(values); });
      case 'c': {
        const std::string_view module = in_.line(limits_.name_bytes);
        return push_global(module, in_.line(limits_.name_bytes));
      }
      case 0x93:
        return stack_global();
      case 'R':
        return reduce();
      case 0x81:
        return newobj();
      case 0x92:
        return newobj_ex();
      case 'o':
        return obj();
      case 'i':
        return inst();
      case 'b':
        return build();
      case 'Q':
        return persid(pop());
      case 'P': {
        push_string(in_.line(limits_.name_bytes));
        return persid(pop());
      }
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
        stop(ErrorCode::kUnsupported,
             cat("the opcode ", opcode_name(opcode), " refers to data outside the pickle"));
      default:
        corrupt(cat("expected a pickle opcode, found byte ", int{opcode}));
    }
  }

  Arena& arena_;
  const Limits& limits_;
  ByteReader in_;
  detail::Keys keys_;
  Memo memo_;
  std::vector<NodeId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::string, std::size_t> global_index_;
  std::uint64_t op_offset_ = 0;
  std::uint64_t opcode_count_ = 0;
  std::uint64_t memory_ = 0;
  std::size_t stack_peak_ = 0;
  std::size_t marks_peak_ = 0;
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
