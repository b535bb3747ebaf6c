// Python's own values that protocol 2 spells as calls (formats.md B.6, B.7).
#include <complex>

#include "checkpoint/rebuild.h"
#include "sconce/base/byte_reader.h"

namespace sconce::checkpoint {

using pickle::Kind;
using pickle::Node;

std::string latin1_bytes(Node text) {
  const std::string_view utf8 = text.as_string();
  std::string out;
  out.reserve(utf8.size());
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte < 0x80) {
      out += utf8[i];
    } else if ((byte == 0xC2 || byte == 0xC3) && i + 1 < utf8.size()) {
      out += static_cast<char>(((byte & 0x03) << 6) | (static_cast<unsigned char>(utf8[++i]) & 0x3F));
    } else {
      text.unexpected("text with characters up to U+00FF only");
    }
  }
  return out;
}

namespace {

// What an element of a set or a pair of a dict takes, with its place in the table of keys.
constexpr std::uint64_t kItemBytes = 128;

Rebuilt ordered_dict(ValueReader& reader, const Call& call) {
  expect_args(call, 0, 1);
  Value out = reader.arena().dict(true);
  if (call.args.size() == 1) reader.count_copy(call.args[0], call.args[0].size() * kItemBytes);
  reader.later([&reader, call, out]() mutable {
    if (call.args.size() == 1 && call.args[0].is(Kind::kDict)) {
      for (const pickle::Pair pair : call.args[0].pairs()) {
        set_item_from(call.node, out, reader.now(pair.key), reader.now(pair.value));
      }
    } else if (call.args.size() == 1) {  // Python 2: [[key, value], ...]
      for (const Node pair : call.args[0].items()) {
        if (pair.size() != 2) pair.unexpected("a key and a value");
        set_item_from(call.node, out, reader.now(pair.items()[0]), reader.now(pair.items()[1]));
      }
    }
    for (const pickle::Pair pair : call.node.pairs()) {
      set_item_from(call.node, out, reader.now(pair.key), reader.now(pair.value));
    }
  });
  for (const Node state : call.node.states()) attributes_later(reader, out, state);
  return out;
}

Rebuilt make_set(ValueReader& reader, const Call& call) {
  expect_args(call, 0, 1);
  Value out = reader.arena().set(call.function.name == "frozenset");
  if (call.args.empty()) return out;
  const auto elements = reader.get_all(call.args[0].items());
  if (!elements) return std::nullopt;
  reader.count_copy(call.args[0], elements->size() * kItemBytes);
  try {
    for (const Value& element : *elements) out.append(element);
  } catch (const Error& error) {
    throw Error(ErrorCode::kCorrupt, "torch", error.text()).at_offset(call.node.offset());
  }
  return out;
}

// Protocol 2 has no bytes: _codecs.encode(text, 'latin1'), each character one byte.
Rebuilt encoded_bytes(ValueReader& reader, const Call& call) {
  expect_args(call, 2, 2);
  if (call.args[1].as_string() != "latin1") call.args[1].unexpected("'latin1'");
  const std::string bytes = latin1_bytes(call.args[0]);
  reader.count_copy(call.args[0], bytes.size());
  return reader.arena().bytes(as_byte_span(bytes));
}

Rebuilt make_bytes(ValueReader& reader, const Call& call) {
  expect_args(call, 0, 1);
  const bool is_bytearray = call.function.name == "bytearray";
  if (call.args.empty()) return reader.arena().bytes({}, is_bytearray);
  const Value* content = reader.get(call.args[0]);
  if (!content) return std::nullopt;
  if (!content->is_bytes()) call.args[0].unexpected("bytes");
  reader.count_copy(call.args[0], content->as_bytes().size());
  return reader.arena().bytes(content->as_bytes(), is_bytearray);
}

Rebuilt make_complex(ValueReader& reader, const Call& call) {
  expect_args(call, 2, 2);
  return reader.arena().complex({call.args[0].as_double(), call.args[1].as_double()});
}

constexpr RebuildRow kPythonRows[] = {
    {"collections", "OrderedDict", ordered_dict, true},
    {"_codecs", "encode", encoded_bytes},
    {"builtins", "set", make_set},
    {"builtins", "frozenset", make_set},
    {"builtins", "bytes", make_bytes},
    {"builtins", "bytearray", make_bytes},
    {"builtins", "complex", make_complex},
};

}  // namespace

std::span<const RebuildRow> python_rows() { return kPythonRows; }

}  // namespace sconce::checkpoint
