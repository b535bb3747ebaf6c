#include <utility>

#include "codec/pickle_arena.h"
#include "sconce/base/big_int.h"
#include "sconce/base/byte_reader.h"
#include "sconce/codec/pickle.h"

namespace sconce::pickle {

using detail::Arena;
using detail::kNoNode;
using detail::Record;

namespace {

// Long names are cut in messages.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 60;
  if (text.size() <= kShown) return cat("'", escaped(text), "'");
  return cat("'", escaped(text.substr(0, kShown)), "...' (", text.size(), " bytes)");
}

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
    case Kind::kBigInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kBytes:
      return "bytes";
    case Kind::kByteArray:
      return "bytearray";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kSet:
      return "set";
    case Kind::kFrozenSet:
      return "frozenset";
    case Kind::kGlobal:
      return "global";
    case Kind::kObject:
      return "object";
    case Kind::kPersistent:
      return "persistent object";
  }
  return "";
}

std::uint64_t Node::offset() const { return arena_->at(id_).offset(); }
Kind Node::kind() const { return arena_->at(id_).kind; }

bool Node::as_bool() const {
  if (!is(Kind::kBool)) unexpected("a bool");
  return arena_->at(id_).flag;
}

std::int64_t Node::as_int() const {
  if (!is(Kind::kInt)) unexpected("an int of 64 bits");
  return arena_->at(id_).integer;
}

double Node::as_double() const {
  if (is(Kind::kInt)) return static_cast<double>(arena_->at(id_).integer);
  if (!is(Kind::kFloat)) unexpected("a number");
  return arena_->at(id_).real;
}

std::uint64_t Graph::spare_memory() const { return arena_->spare_memory; }
std::string_view Graph::memory_name() const { return arena_->memory_name; }

std::string_view Node::as_string() const {
  if (!is(Kind::kString)) unexpected("a string");
  return arena_->text(arena_->at(id_));
}

std::span<const std::byte> Node::as_bytes() const {
  if (!is(Kind::kBytes) && !is(Kind::kByteArray)) unexpected("bytes");
  return as_byte_span(arena_->text(arena_->at(id_)));
}

std::span<const std::byte> Node::as_big_int() const {
  if (!is(Kind::kBigInt)) unexpected("an int of more than 64 bits");
  return as_byte_span(arena_->text(arena_->at(id_)));
}

bool Node::is_python2_string() const {
  return (is(Kind::kString) || is(Kind::kBytes)) && arena_->at(id_).flag;
}

std::size_t Node::size() const { return is(Kind::kDict) ? pairs().size() : items().size(); }

NodeList Node::items() const {
  const Record& r = arena_->at(id_);
  switch (r.kind) {
    case Kind::kTuple:
    case Kind::kFrozenSet:
      return {arena_, std::span(arena_->children).subspan(static_cast<std::size_t>(r.first), r.size)};
    case Kind::kList:
    case Kind::kSet:
      return {arena_, arena_->sequence(r.side)};
    case Kind::kObject:
      return {arena_, arena_->sequence(arena_->objects[r.side].items)};
    default:
      unexpected("a list or tuple");
  }
}

PairList Node::pairs() const {
  const Record& r = arena_->at(id_);
  if (r.kind == Kind::kObject) return {arena_, arena_->dict(arena_->objects[r.side].pairs)};
  if (r.kind != Kind::kDict) unexpected("a dict");
  return {arena_, arena_->dict(r.side)};
}

std::optional<Node> Node::find(std::string_view key) const {
  for (const Pair pair : pairs()) {
    if (pair.key.is(Kind::kString) && pair.key.as_string() == key) return pair.value;
  }
  return std::nullopt;
}

const Global& Node::as_global() const {
  if (!is(Kind::kGlobal)) unexpected("a class or function");
  return arena_->globals[arena_->at(id_).side];
}

bool Node::is_global(std::string_view module, std::string_view name) const {
  if (!is(Kind::kGlobal)) return false;
  const Global& global = as_global();
  return global.module == module && global.name == name;
}

ObjectKind Node::object_kind() const {
  if (!is(Kind::kObject)) unexpected("an object");
  return arena_->objects[arena_->at(id_).side].kind;
}

Node Node::callable() const {
  if (!is(Kind::kObject)) unexpected("an object");
  return {arena_, arena_->objects[arena_->at(id_).side].callable};
}

Node Node::args_tuple() const {
  if (!is(Kind::kObject)) unexpected("an object");
  return {arena_, arena_->objects[arena_->at(id_).side].args};
}

NodeList Node::args() const { return args_tuple().items(); }

std::optional<Node> Node::kwargs() const {
  if (!is(Kind::kObject)) unexpected("an object");
  const detail::NodeId kwargs = arena_->objects[arena_->at(id_).side].kwargs;
  if (kwargs == kNoNode) return std::nullopt;
  return Node(arena_, kwargs);
}

NodeList Node::states() const {
  if (!is(Kind::kObject)) unexpected("an object");
  return {arena_, arena_->sequence(arena_->objects[arena_->at(id_).side].states)};
}

bool Node::is_call_of(std::string_view module, std::string_view name) const {
  return is(Kind::kObject) && callable().is_global(module, name);
}

Node Node::pid() const {
  if (!is(Kind::kPersistent)) unexpected("a persistent object");
  return {arena_, static_cast<detail::NodeId>(arena_->at(id_).first)};
}

std::string Node::describe() const {
  const auto counted = [](std::string_view what, std::size_t n, std::string_view of) {
    return cat("a ", what, " of ", n, " ", of, n == 1 ? "" : "s");
  };
  switch (kind()) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return as_bool() ? "True" : "False";
    case Kind::kInt:
      return cat("the int ", as_int());
    case Kind::kBigInt:
      return cat("the int ", integer_to_decimal(as_big_int()));
    case Kind::kFloat:
      return cat("the float ", as_double());
    case Kind::kString:
      return cat("the string ", quoted(as_string()));
    case Kind::kBytes:
      return cat(as_bytes().size(), " bytes");
    case Kind::kByteArray:
      return cat("a bytearray of ", as_bytes().size(), " bytes");
    case Kind::kDict:
      return counted("dict", size(), "pair");
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kSet:
    case Kind::kFrozenSet:
      return counted(kind_name(kind()), size(), "item");
    case Kind::kGlobal:
      return cat("the class or function ", quoted(as_global().module), " ", quoted(as_global().name));
    case Kind::kObject:
      if (!callable().is(Kind::kGlobal)) return "an object";
      return cat("an object made by ", quoted(callable().as_global().module), " ",
                 quoted(callable().as_global().name));
    case Kind::kPersistent:
      return "a persistent object";
  }
  return "";
}

void Node::unexpected(std::string_view wanted) const {
  throw Error(ErrorCode::kCorrupt, "pickle", cat("expected ", wanted, ", found ", describe()))
      .at_offset(offset());
}

Graph::Graph(std::unique_ptr<Arena> arena) : arena_(std::move(arena)) {}
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;
Graph::~Graph() = default;

Node Graph::root() const {
  require(arena_->root != kNoNode, ErrorCode::kState, "pickle", "the pickle was not read to its end");
  return {arena_.get(), arena_->root};
}
std::size_t Graph::node_count() const { return arena_->records.size(); }
Node Graph::node(std::uint32_t id) const {
  require(id < node_count(), ErrorCode::kIndexOutOfRange, "pickle", "node ", id, " of ", node_count());
  return {arena_.get(), id};
}
int Graph::protocol() const { return arena_->protocol; }
std::span<const Global> Graph::globals() const { return arena_->globals; }
const std::bitset<256>& Graph::opcodes() const { return arena_->opcodes; }
std::span<const std::uint32_t> Graph::duplicate_keys() const { return arena_->duplicate_keys; }
void Graph::keep(std::shared_ptr<const void> owner) { arena_->input.owner = std::move(owner); }

Input Input::own(std::vector<std::byte> bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return {*owner, owner, 0};
}

}  // namespace sconce::pickle
