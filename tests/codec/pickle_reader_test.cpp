#include <gtest/gtest.h>

#include <bit>
#include <sstream>
#include <unordered_map>

#include "codec/codec_test_util.h"
#include "sconce/base/big_int.h"
#include "sconce/codec/pickle.h"

namespace sconce::pickle {
namespace {

using sconce::testing::error_of;
using sconce::testing::from_hex;
using sconce::testing::to_bytes;
using sconce::testing::to_hex;

// The text that tests/golden/pickle/make.py describes values with.
class Describe {
 public:
  std::string operator()(Node node) {
    const std::string leaf = this->leaf(node);
    if (!leaf.empty()) return leaf;
    const auto [at, fresh] = seen_.try_emplace(node.id(), seen_.size());
    if (!fresh) return cat('#', at->second);
    const std::size_t tag = at->second;
    switch (node.kind()) {
      case Kind::kByteArray:
        return cat('a', tag, ':', to_hex(node.as_bytes()));
      case Kind::kList:
        return cat('L', tag, '[', many(node.items()), ']');
      case Kind::kTuple:
        return cat('T', tag, '(', many(node.items()), ')');
      case Kind::kSet:
        return cat('S', tag, '{', many(node.items()), '}');
      case Kind::kFrozenSet:
        return cat('Z', tag, '{', many(node.items()), '}');
      case Kind::kDict:
        return cat('D', tag, '{', many(node.pairs()), '}');
      case Kind::kPersistent:
        return cat('P', tag, '(', (*this)(node.pid()), ')');
      default:
        return object(node, tag);
    }
  }

 private:
  std::string leaf(Node node) {
    switch (node.kind()) {
      case Kind::kNone:
        return "None";
      case Kind::kBool:
        return node.as_bool() ? "True" : "False";
      case Kind::kInt:
        return cat('i', node.as_int());
      case Kind::kBigInt:
        return cat('i', integer_to_decimal(node.as_big_int()));
      case Kind::kFloat: {
        const double big_endian = in_order(node.as_double(), std::endian::big);
        return cat('f', to_hex(std::as_bytes(std::span(&big_endian, 1))));
      }
      case Kind::kString:
        return cat(node.is_python2_string() ? 'p' : 's', to_hex(as_byte_span(node.as_string())));
      case Kind::kBytes:
        return cat(node.is_python2_string() ? 'q' : 'b', to_hex(node.as_bytes()));
      case Kind::kGlobal:
        return cat('<', node.as_global().module, ' ', node.as_global().name, '>');
      case Kind::kTuple:
        return node.size() == 0 ? "()" : "";
      default:
        return "";
    }
  }
  std::string object(Node node, std::size_t tag) {
    static constexpr std::string_view kKinds[] = {"reduce", "newobj", "newobj_ex", "obj", "inst"};
    const std::string_view kind = kKinds[static_cast<int>(node.object_kind())];
    const std::string callable = (*this)(node.callable());
    const std::string args = many(node.args());
    const std::string kwargs = node.kwargs() ? (*this)(*node.kwargs()) : "";
    const std::string items = many(node.items());
    const std::string pairs = many(node.pairs());
    return cat('O', tag, '(', kind, '|', callable, '|', args, '|', kwargs, '|', items, '|', pairs, '|',
               many(node.states()), ')');
  }
  std::string many(NodeList nodes) {
    std::string out;
    for (const Node node : nodes) out += cat(out.empty() ? "" : ",", (*this)(node));
    return out;
  }
  std::string many(PairList pairs) {
    std::string out;
    for (const Pair pair : pairs) {
      const std::string key = (*this)(pair.key);
      out += cat(out.empty() ? "" : ",", key, ":", (*this)(pair.value));
    }
    return out;
  }
  std::unordered_map<std::uint32_t, std::size_t> seen_;
};

struct Case {
  std::string name;
  std::vector<std::byte> bytes;
  std::string meaning;
};

std::vector<Case> golden_cases() {
  std::istringstream lines{std::string(as_chars(sconce::testing::golden("pickle/cases.tsv")))};
  std::vector<Case> out;
  std::string name;
  std::string hex;
  std::string meaning;
  while (std::getline(lines, name, '\t') && std::getline(lines, hex, '\t') && std::getline(lines, meaning)) {
    out.push_back({name, from_hex(hex), meaning});
  }
  return out;
}

Graph parse_text(std::string_view text, const Limits& limits = {}) { return parse(to_bytes(text), limits); }

std::optional<ErrorCode> refusal(std::string_view text, const Limits& limits = {}) {
  return error_of([&] { parse_text(text, limits); });
}

using namespace std::string_view_literals;

TEST(PickleReader, GoldenCasesOfEveryProtocolAndOpcode) {
  const std::vector<Case> cases = golden_cases();
  ASSERT_GT(cases.size(), 200u);
  std::bitset<256> opcodes;
  for (const Case& c : cases) {
    const Graph graph = parse(c.bytes);
    EXPECT_EQ(Describe()(graph.root()), c.meaning) << c.name;
    opcodes |= graph.opcodes();
  }
  EXPECT_EQ(opcodes.count(), 68u - 5u);  // all but EXT1, EXT2, EXT4, NEXT_BUFFER, READONLY_BUFFER
}

TEST(PickleReader, DamagedPicklesNeverCrash) {
  std::size_t refused = 0;
  for (const Case& c : golden_cases()) {
    if (c.bytes.size() > 400) continue;
    sconce::testing::for_each_damage(c.bytes, [&](std::vector<std::byte> damaged) {
      Parsed parsed = parse_at(Input::own(std::move(damaged)), 0);
      if (parsed.error) {
        ++refused;
        EXPECT_TRUE(parsed.error->offset().has_value());
      } else {
        Describe()(parsed.graph.root());
      }
    });
  }
  EXPECT_GT(refused, 10000u);
}

TEST(PickleReader, TruncationIsTruncated) {
  const std::string_view whole = "\x80\x02}X\x01\x00\x00\x00wK\x05s."sv;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(refusal(whole.substr(0, n)), ErrorCode::kTruncated) << n;
  }
}

TEST(PickleReader, RefusesWhatPointsOutside) {
  EXPECT_EQ(refusal("\x82\x01."), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal("\x83\x01\x00."sv), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal("\x84\x01\x00\x00\x00."sv), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal("\x97."), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal("N\x98."), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal("\x80\x06N."), ErrorCode::kUnsupported);
}

TEST(PickleReader, RefusesBrokenStacks) {
  for (const std::string_view text :
       {"."sv,        "0."sv,       "1."sv,       "2."sv,     "t."sv,
        "N\x86."sv,   "N(\x85."sv,  "a."sv,       "Na."sv,    "](e."sv.substr(1),
        "(e."sv,      "NNs."sv,     "R."sv,       "NR."sv,    "(o."sv,
        "(K\x01o."sv, "im\nC\n."sv, "Nb."sv,      "Q."sv,     "q\x00."sv,
        "(."sv,       "N(."sv,      "N(q\x00."sv, "h\x00."sv, "j\x00\x00\x00\x00."sv,
        "g0\n."sv,    "p-1\n."sv,   "Np-1\n."sv,  "gx\n."sv,  "\xff."sv,
        "\x00."sv}) {
    EXPECT_EQ(refusal(text), ErrorCode::kCorrupt) << escaped(text);
  }
}

TEST(PickleReader, RefusesWrongTargets) {
  for (const std::string_view text : {"NNa."sv,
                                      "N(NNe."sv,
                                      "}Na."sv,
                                      ")Na."sv,
                                      "]NNs."sv,
                                      "](NNu."sv,
                                      "}(Nu."sv,
                                      "(Nd."sv,
                                      "](N\x90."sv,
                                      "}(N\x90."sv,
                                      "]Nb."sv,
                                      "}}b."sv,
                                      "cm\nC\n}b."sv,
                                      "cm\nC\nNR."sv,
                                      "cm\nC\n]R."sv,
                                      "N)R."sv,
                                      "X\x01\x00\x00\x00m)R."sv,
                                      "N)\x81."sv,
                                      "cm\nC\n)N\x92."sv,
                                      "cm\nC\nN}\x92."sv,
                                      "NX\x01\x00\x00\x00m\x93."sv,
                                      "X\x01\x00\x00\x00mK\x01\x93."sv}) {
    EXPECT_EQ(refusal(text), ErrorCode::kCorrupt) << escaped(text);
  }
}

TEST(PickleReader, RefusesUnhashableKeys) {
  for (const std::string_view text : {"}]Ns."sv, "}}Ns."sv, "}\x8fNs."sv, "}]\x85\x85Ns."sv, "\x8f(]\x90."sv,
                                      "(}\x91."sv, "}\x96\x00\x00\x00\x00\x00\x00\x00\x00Ns."sv}) {
    EXPECT_EQ(refusal(text), ErrorCode::kCorrupt) << escaped(text);
  }
}

TEST(PickleReader, RefusesBrokenText) {
  for (const std::string_view text : {"Iabc\n."sv,
                                      "I\n."sv,
                                      "I0x10\n."sv,
                                      "L1.5\n."sv,
                                      "F1.5x\n."sv,
                                      "F\n."sv,
                                      "Sabc\n."sv,
                                      "S'abc\n."sv,
                                      "S'a\\x1'\n."sv,
                                      "S'a\\'\n."sv,
                                      "S\n."sv,
                                      "V\\u12\n."sv,
                                      "V\\U00110000\n."sv,
                                      "X\x01\x00\x00\x00\xff."sv,
                                      "\x8c\x02\xc3\x28."sv,
                                      "\x8c\x03\xed\x41\x80."sv,
                                      "P\xff\n."sv,
                                      "c\xff\nx\n."sv,
                                      "cx\n\xff\n."sv,
                                      "T\xff\xff\xff\xff."sv,
                                      "\x8b\xff\xff\xff\xff."sv}) {
    EXPECT_EQ(refusal(text), ErrorCode::kCorrupt) << escaped(text);
  }
}

TEST(PickleReader, LengthsAreComparedWithWhatIsLeft) {
  for (const std::string_view text :
       {"X\xff\xff\xff\xff"sv, "\x8d\xff\xff\xff\xff\xff\xff\xff\xff"sv,
        "\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"sv, "\x96\xff\xff\xff\xff\xff\xff\xff\x7f"sv,
        "B\xff\xff\xff\x7f"sv, "T\xff\xff\xff\x7f"sv, "U\x05"sv, "C\x05"sv, "\x8a\x05\x01"sv,
        "\x8b\x05\x00\x00\x00"sv, "\x95\x05\x00\x00\x00\x00\x00\x00\x00N."sv, "S'abc"sv, "Vabc"sv,
        "cmodule\n"sv, "G\x00\x00"sv, "r\x00\x00"sv}) {
    EXPECT_EQ(refusal(text), ErrorCode::kTruncated) << escaped(text);
  }
}

TEST(PickleReader, LimitsHold) {
  Limits few_opcodes;
  few_opcodes.opcodes = 3;
  EXPECT_EQ(refusal("NNN.", few_opcodes), ErrorCode::kLimit);
  EXPECT_EQ(refusal("NN.", few_opcodes), std::nullopt);

  Limits small_memo;
  small_memo.memo_entries = 1;
  EXPECT_EQ(refusal("Nq\x00q\x01."sv, small_memo), ErrorCode::kLimit);
  EXPECT_EQ(refusal("Nq\x00q\x00."sv, small_memo), std::nullopt);

  Limits small_memory;
  small_memory.memory = 10000;
  EXPECT_EQ(refusal(cat(std::string(1000, 'N'), "."), small_memory), ErrorCode::kLimit);
  EXPECT_EQ(refusal(cat(std::string(10000, '('), "N."), small_memory), ErrorCode::kLimit);
  EXPECT_EQ(refusal(cat("N", std::string(10000, '2'), "."), small_memory), ErrorCode::kLimit);
  EXPECT_EQ(refusal(cat(std::string(100, 'N'), "."), small_memory), std::nullopt);

  EXPECT_EQ(refusal(cat("L", std::string(2000, '1'), "\n.")), ErrorCode::kLimit);
  EXPECT_EQ(refusal(cat("I", std::string(2000, '1'), "\n.")), ErrorCode::kLimit);
  EXPECT_EQ(refusal(cat("c", std::string(70000, 'm'), "\nx\n.")), ErrorCode::kLimit);
  EXPECT_EQ(refusal(cat("\x8b\x01\x08\x00\x00"sv, std::string(3000, 'x'))), ErrorCode::kLimit);
}

TEST(PickleReader, SparseMemoIndicesTakeLittleMemory) {
  std::string text = "N";
  for (std::uint32_t i = 0; i < 4000; ++i) {
    const std::uint32_t index = i * 1000003u;
    text += 'r';
    for (int shift = 0; shift < 32; shift += 8) text += static_cast<char>((index >> shift) & 0xFF);
  }
  Limits limits;
  limits.memory = 1 << 20;
  EXPECT_TRUE(parse_text(cat(text, "."), limits).root().is_none());
}

TEST(PickleReader, DeepNestingNeedsNoStack) {
  constexpr int kDepth = 100000;
  const Graph lists = parse_text(cat(std::string(kDepth, ']'), std::string(kDepth - 1, 'a'), "."));
  Node node = lists.root();
  int depth = 1;
  while (node.size() != 0) {
    node = node.items()[0];
    ++depth;
  }
  EXPECT_EQ(depth, kDepth);

  std::string tuple = ")";
  for (int i = 0; i < kDepth; ++i) tuple += '\x85';
  const Graph tuples = parse_text(cat(tuple, "."));
  EXPECT_EQ(tuples.node_count(), kDepth + 1u);
  const Graph key = parse_text(cat("}", tuple, "Ns."));
  EXPECT_EQ(key.root().size(), 1u);
}

TEST(PickleReader, SharedTuplesStaySmall) {
  std::string laughs = "N";
  for (int i = 0; i < 1000; ++i) laughs += "q\0h\0\x86"sv;
  EXPECT_EQ(parse_text(cat(laughs, ".")).node_count(), 1001u);
  // As a dict key twice over: equality is decided without expanding.
  const Graph keys = parse_text(cat("}", laughs, "K\x01s", laughs, "K\x02s."));
  ASSERT_EQ(keys.root().size(), 1u);
  EXPECT_EQ(keys.root().pairs()[0].value.as_int(), 2);
  EXPECT_EQ(keys.duplicate_keys().size(), 1u);
}

TEST(PickleReader, ReportsPlacesAndLists) {
  const std::string_view text = "\x80\x02}X\x01\x00\x00\x00wctorch\nFloatStorage\nsccopy_reg\nf\n."sv;
  const Graph graph = parse(to_bytes(text));
  EXPECT_EQ(graph.protocol(), 2);
  ASSERT_EQ(graph.globals().size(), 2u);
  EXPECT_EQ(graph.globals()[0].module, "torch");
  EXPECT_EQ(graph.globals()[0].offset, 9u);
  EXPECT_EQ(graph.globals()[1].module, "copyreg");
  EXPECT_EQ(graph.globals()[1].written_module, "copy_reg");
  EXPECT_TRUE(graph.opcodes().test('}'));
  EXPECT_FALSE(graph.opcodes().test('R'));
  EXPECT_EQ(graph.root().offset(), 30u);
  EXPECT_EQ(graph.node(1).offset(), 3u);
  EXPECT_EQ(error_of([&] { graph.node(1000); }), ErrorCode::kIndexOutOfRange);
}

TEST(PickleReader, GlobalsSeenBeforeAFailureAreListed) {
  Parsed parsed = parse_at(Input::own(to_bytes("cos\nsystem\nX\x02\x00\x00\x00ls\x85R\xff"sv)), 0);
  ASSERT_TRUE(parsed.error.has_value());
  EXPECT_EQ(parsed.error->code(), ErrorCode::kCorrupt);
  EXPECT_EQ(parsed.error->offset(), 20u);
  ASSERT_EQ(parsed.graph.globals().size(), 1u);
  EXPECT_EQ(parsed.graph.globals()[0].name, "system");
  EXPECT_EQ(error_of([&] { parsed.graph.root(); }), ErrorCode::kState);
}

TEST(PickleReader, PicklesBackToBack) {
  Input input = Input::own(to_bytes("K\x01.K\x02.K\x03"sv));
  input.base_offset = 100;
  const Parsed first = parse_at(input, 0);
  const Parsed second = parse_at(input, first.end);
  const Parsed third = parse_at(input, second.end);
  EXPECT_EQ(first.graph.root().as_int(), 1);
  EXPECT_EQ(second.graph.root().as_int(), 2);
  EXPECT_EQ(second.graph.root().offset(), 103u);
  EXPECT_EQ(second.end, 6u);
  ASSERT_TRUE(third.error.has_value());
  EXPECT_EQ(third.error->code(), ErrorCode::kTruncated);
  EXPECT_EQ(error_of([&] { parse_at(input, 9); }), ErrorCode::kInvalidArgument);
}

TEST(PickleReader, NodesOutliveAMoveOfTheirGraph) {
  Graph graph = parse_text("}X\x03\x00\x00\x00keyK\x07s."sv);
  const Node root = graph.root();
  const Graph moved = std::move(graph);
  EXPECT_EQ(root.find("key")->as_int(), 7);
  EXPECT_FALSE(root.find("other").has_value());
  EXPECT_EQ(root, moved.root());
}

TEST(PickleReader, AccessorsThatDoNotFitAreCorrupt) {
  const Graph graph = parse_text("(NK\x01]cm\nC\n)R}t."sv);
  const NodeList items = graph.root().items();
  const Node none = items[0];
  EXPECT_EQ(error_of([&] { none.as_bool(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.as_int(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.as_double(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.as_string(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.as_bytes(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.as_big_int(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.items(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.pairs(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.as_global(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.callable(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.args(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.kwargs(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.states(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.object_kind(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { none.pid(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(items[1].as_double(), 1.0);
  EXPECT_TRUE(items[3].is_call_of("m", "C"));
  EXPECT_FALSE(items[3].is_call_of("m", "D"));
  EXPECT_FALSE(none.is_call_of("m", "C"));
  EXPECT_FALSE(none.is_global("m", "C"));
}

TEST(PickleReader, OpcodeNames) {
  EXPECT_EQ(opcode_name(0x8A), "LONG1");
  EXPECT_EQ(opcode_name('q'), "BINPUT");
  EXPECT_EQ(opcode_name(0xFF), "");
}

TEST(PickleReader, PythonNames) {
  const auto modern = [](std::string_view module, std::string_view name) {
    const Graph graph = parse_text(cat('c', module, '\n', name, "\n."));
    return cat(graph.root().as_global().module, ' ', graph.root().as_global().name);
  };
  EXPECT_EQ(modern("__builtin__", "set"), "builtins set");
  EXPECT_EQ(modern("builtins", "set"), "builtins set");
  EXPECT_EQ(modern("__builtin__", "xrange"), "builtins range");
  EXPECT_EQ(modern("__builtin__", "long"), "builtins int");
  EXPECT_EQ(modern("__builtin__", "unicode"), "builtins str");
  EXPECT_EQ(modern("itertools", "izip"), "builtins zip");
  EXPECT_EQ(modern("exceptions", "ValueError"), "builtins ValueError");
  EXPECT_EQ(modern("torch.tensor", "_rebuild_from_type"), "torch._tensor _rebuild_from_type");
  EXPECT_EQ(modern("collections", "OrderedDict"), "collections OrderedDict");
}

TEST(BigInt, ConvertsBothWays) {
  for (const std::string_view text : {"1", "-1", "255", "256", "-128", "-129", "9223372036854775808",
                                      "-9223372036854775809", "119547037146038801333356"}) {
    EXPECT_EQ(integer_to_decimal(integer_from_decimal(text).value()), text);
  }
  EXPECT_EQ(integer_to_decimal({}), "0");
  EXPECT_EQ(integer_from_decimal("0")->size(), 0u);
  EXPECT_EQ(integer_from_decimal("+5"), integer_from_decimal("5"));
  EXPECT_FALSE(integer_from_decimal("").has_value());
  EXPECT_FALSE(integer_from_decimal("-").has_value());
  EXPECT_FALSE(integer_from_decimal("1e5").has_value());
  EXPECT_EQ(integer_to_int64(integer_from_decimal("-9223372036854775808").value()), INT64_MIN);
  EXPECT_FALSE(integer_to_int64(integer_from_decimal("9223372036854775808").value()).has_value());
  EXPECT_EQ(integer_to_decimal(integer_from_double(1e22)), "10000000000000000000000");
  EXPECT_EQ(integer_to_decimal(integer_from_double(-3.0)), "-3");
  EXPECT_EQ(integer_to_decimal(integer_from_double(-0.0)), "0");
  EXPECT_EQ(integer_to_decimal(integer_from_double(9007199254740992.0)), "9007199254740992");
}

}  // namespace
}  // namespace sconce::pickle
