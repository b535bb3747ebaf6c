#include <algorithm>
#include <string>

#include "codec/pickle_machine.h"
#include "codec/pickle_surveyor.h"
#include "codec/pickle_text.h"
#include "sconce/base/big_int.h"
#include "sconce/base/text.h"

namespace sconce::pickle {

namespace detail {

Trait Surveyor::trait_of(Kind kind) {
  const bool is_unhashable =
      kind == Kind::kList || kind == Kind::kDict || kind == Kind::kSet || kind == Kind::kByteArray;
  return static_cast<Trait>(static_cast<unsigned>(kind) | (is_unhashable ? kUnhashable : 0u));
}

Trait Surveyor::tuple_of(std::span<const Trait> items) {
  const bool is_unhashable =
      std::any_of(items.begin(), items.end(), [](Trait item) { return (item & kUnhashable) != 0; });
  return static_cast<Trait>(trait_of(Kind::kTuple) | (is_unhashable ? kUnhashable : 0u));
}

void Surveyor::unexpected(std::string_view wanted, Trait found) const {
  corrupt(cat("expected ", wanted, ", found a value of type ", kind_name(kind(found))));
}

void Surveyor::require_hashable(Trait key) const {
  if ((key & kUnhashable) != 0) unexpected("a dict key or set element that is hashable", key);
}

void Surveyor::push_decimal(std::string_view line) {
  if (!integer_from_decimal(line)) corrupt("expected a decimal integer");
  push_new(Kind::kInt);
}

void Surveyor::push_string(Text text) {
  if (text.is_seen && !is_python_utf8(text.bytes)) corrupt("a string is not valid UTF-8");
  push_new(Kind::kString);
}

void Surveyor::push_python2_string(Text text) {
  push_new(!text.is_seen || is_utf8(text.bytes) ? Kind::kString : Kind::kBytes);
}

void Surveyor::push_quoted_line(Text line) {
  if (!line.is_seen) return push_python2_string(line);
  const auto text = unquote_python2(line.bytes);
  if (!text) corrupt("expected a quoted string");
  charge(text->size() + sizeof(std::string));
  push_python2_string({*text, true});
}

void Surveyor::push_escaped_line(Text line) {
  if (!line.is_seen) return push_string(line);
  const auto text = decode_raw_unicode_escape(line.bytes);
  if (!text) corrupt("a string has a broken \\u escape");
  charge(text->size() + sizeof(std::string));
  push_string({*text, true});
}

void Surveyor::push_tuple(std::size_t n) {
  const Trait tuple = add_tuple(last(n));
  drop(n);
  push(tuple);
}

void Surveyor::push_tuple_since_mark() {
  make_from_mark([this](auto values) { return add_tuple(values); });
}

void Surveyor::append(Trait target, std::size_t n) {
  if (!is(target, Kind::kList) && !is(target, Kind::kObject)) unexpected("a list to append to", target);
  charge(n * sizeof(NodeId));
}

void Surveyor::set_items(Trait target, std::span<const Trait> flat) {
  if (!is(target, Kind::kDict) && !is(target, Kind::kObject)) unexpected("a dict to set items of", target);
  if (flat.size() % 2 != 0) corrupt("a dict needs keys and values in pairs, found an odd number");
  for (std::size_t i = 0; i < flat.size(); i += 2) require_hashable(flat[i]);
  charge(flat.size() / 2 * sizeof(Entry));
}

void Surveyor::push_list_since_mark() {
  make_from_mark([this](auto values) { return add(Kind::kList, values.size() * sizeof(NodeId)); });
}

void Surveyor::push_dict_since_mark() {
  make_from_mark([this](auto values) {
    const Trait dict = add(Kind::kDict);
    set_items(dict, values);
    return dict;
  });
}

void Surveyor::push_frozenset_since_mark() {
  make_from_mark([this](auto values) {
    for (const Trait value : values) require_hashable(value);
    return add(Kind::kFrozenSet);
  });
}

void Surveyor::append_one() {
  pop();
  append(top(), 1);
}

void Surveyor::append_since_mark() {
  fill_from_mark([this](Trait target, auto values) { append(target, values.size()); });
}

void Surveyor::set_one_item() {
  const Trait value = pop();
  const Trait key = pop();
  const Trait flat[] = {key, value};
  set_items(top(), flat);
}

void Surveyor::set_items_since_mark() {
  fill_from_mark([this](Trait target, auto values) { set_items(target, values); });
}

void Surveyor::add_items_since_mark() {
  fill_from_mark([this](Trait target, auto values) {
    if (is(target, Kind::kObject)) return append(target, values.size());
    if (!is(target, Kind::kSet)) unexpected("a set to add to", target);
    for (const Trait value : values) require_hashable(value);
  });
}

void Surveyor::push_global(std::string_view module, std::string_view name) {
  if (!is_utf8(module) || !is_utf8(name)) corrupt("the name of a global is not valid UTF-8");
  push_new(Kind::kGlobal);
}

void Surveyor::push_global_named_by_stack() {
  const Trait name = pop();
  const Trait module = pop();
  for (const Trait part : {module, name}) {
    if (!is(part, Kind::kString)) unexpected("two strings that name a global", part);
  }
  push_new(Kind::kGlobal);
}

void Surveyor::push_object(Trait callable, Trait args) {
  if (!is(callable, Kind::kGlobal) && !is(callable, Kind::kObject) && !is(callable, Kind::kPersistent)) {
    unexpected("a class or function", callable);
  }
  if (!is(args, Kind::kTuple)) unexpected("a tuple of arguments", args);
  push(add(Kind::kObject, sizeof(ObjectData)));
}

void Surveyor::push_reduce() {
  const Trait args = pop();
  push_object(pop(), args);
}

void Surveyor::push_newobj_ex() {
  const Trait kwargs = pop();
  const Trait args = pop();
  if (!is(kwargs, Kind::kDict)) unexpected("a dict of keyword arguments", kwargs);
  push_object(pop(), args);
}

void Surveyor::push_obj() {
  const std::size_t mark = pop_mark();
  const auto values = since(mark);
  if (values.empty()) corrupt("expected a class above the mark, found nothing");
  const Trait callable = values[0];
  const Trait args = add_tuple(values.subspan(1));
  drop_to(mark);
  push_object(callable, args);
}

void Surveyor::push_inst(std::string_view module, std::string_view name) {
  const std::size_t mark = pop_mark();
  const Trait args = add_tuple(since(mark));
  drop_to(mark);
  push_global(module, name);
  push_object(pop(), args);
}

void Surveyor::build() {
  pop();
  if (!is(top(), Kind::kObject)) unexpected("an object to set up", top());
}

void Surveyor::push_persistent() {
  pop();
  push_new(Kind::kPersistent);
}

}  // namespace detail

Survey survey(const ByteSource& source, std::uint64_t begin, std::uint64_t end, const Limits& limits,
              std::uint64_t base_offset) {
  // A byte of memo for each entry: what has more of them than this means nothing.
  constexpr std::uint64_t kMostMemo = std::uint64_t{32} << 20;
  Limits own = limits;
  own.memo_entries = std::min(own.memo_entries, kMostMemo);
  detail::WindowInput in(source, begin, end, base_offset);
  detail::Surveyor surveyor(own);
  Survey out;
  try {
    detail::Machine(surveyor, in, own).run();
  } catch (const Error& error) {
    out.error = error;
  }
  out.end = begin + in.position();
  out.nodes = surveyor.nodes();
  out.memory = surveyor.memory();
  return out;
}

}  // namespace sconce::pickle
