// Tuples, lists, dicts and sets: how the pickle machine makes and fills them.
#include "codec/pickle_builder.h"

namespace sconce::pickle::detail {

// Makes a value of what stands above the last mark, in its place.
template <class Make>
void Builder::make_from_mark(Make make) {
  const std::size_t mark = pop_mark();
  const NodeId node = make(since(mark));
  stack_.resize(mark);
  push(node);
}

// Runs `fill(target, values)` with the values above the last mark and the value below it.
template <class Fill>
void Builder::fill_from_mark(Fill fill) {
  const std::size_t mark = pop_mark();
  if (mark <= fence()) corrupt("expected a container below the mark, found nothing");
  fill(stack_[mark - 1], since(mark));
  stack_.resize(mark);
}

NodeId Builder::add_tuple(std::span<const NodeId> items) {
  Record record = record_of(Kind::kTuple);
  record.first = arena_.children.size();
  record.size = items.size();
  charge(items.size() * sizeof(NodeId));
  arena_.children.insert(arena_.children.end(), items.begin(), items.end());
  return add(record);
}

NodeId Builder::add_sequence(Kind kind) {
  Record record = record_of(kind);
  record.side = static_cast<std::uint32_t>(arena_.sequences.size());
  charge(sizeof(std::vector<NodeId>));
  arena_.sequences.emplace_back();
  return add(record);
}

NodeId Builder::add_dict() {
  Record record = record_of(Kind::kDict);
  record.side = static_cast<std::uint32_t>(arena_.dicts.size());
  charge(sizeof(std::vector<Entry>));
  arena_.dicts.emplace_back();
  return add(record);
}

NodeId Builder::add_frozenset(std::span<const NodeId> items) {
  const NodeId node = add(record_of(Kind::kFrozenSet));
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

std::uint32_t Builder::key_class(NodeId key) {
  const auto found = keys_.class_of(key);
  if (!found) corrupt(cat("a dict key or set element must be hashable, found ", describe(key)));
  charge(0);
  return *found;
}

void Builder::append(NodeId target, std::span<const NodeId> items) {
  const Record& record = arena_.at(target);
  if (record.kind != Kind::kList && record.kind != Kind::kObject) {
    corrupt(cat("expected a list to append to, found ", describe(target)));
  }
  auto& list = record.kind == Kind::kList ? arena_.sequences[record.side] : arena_.objects[record.side].items;
  charge(2 * items.size() * sizeof(NodeId));
  list.insert(list.end(), items.begin(), items.end());
}

void Builder::set_items(NodeId target, std::span<const NodeId> flat) {
  const Record record = arena_.at(target);
  if (record.kind != Kind::kDict && record.kind != Kind::kObject) {
    corrupt(cat("expected a dict to set items of, found ", describe(target)));
  }
  if (flat.size() % 2 != 0) corrupt("a dict needs keys and values in pairs, found an odd number");
  auto& entries = record.kind == Kind::kDict ? arena_.dicts[record.side] : arena_.objects[record.side].pairs;
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

void Builder::add_items(NodeId target, std::span<const NodeId> items) {
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

void Builder::push_tuple(std::size_t n) {
  if (stack_.size() - fence() < n) corrupt(cat("a tuple needs ", n, " values, the stack has fewer"));
  const NodeId node = add_tuple(since(stack_.size() - n));
  stack_.resize(stack_.size() - n);
  push(node);
}

void Builder::push_tuple_since_mark() {
  make_from_mark([this](auto values) { return add_tuple(values); });
}

void Builder::push_list() { push(add_sequence(Kind::kList)); }

void Builder::push_list_since_mark() {
  make_from_mark([this](auto values) {
    const NodeId list = add_sequence(Kind::kList);
    append(list, values);
    return list;
  });
}

void Builder::push_dict() { push(add_dict()); }

void Builder::push_dict_since_mark() {
  make_from_mark([this](auto values) {
    const NodeId dict = add_dict();
    set_items(dict, values);
    return dict;
  });
}

void Builder::push_set() { push(add_sequence(Kind::kSet)); }

void Builder::push_frozenset_since_mark() {
  make_from_mark([this](auto values) { return add_frozenset(values); });
}

void Builder::append_one() {
  const NodeId item = pop();
  append(top(), {&item, 1});
}

void Builder::append_since_mark() {
  fill_from_mark([this](NodeId target, auto values) { append(target, values); });
}

void Builder::set_one_item() {
  const NodeId value = pop();
  const NodeId key = pop();
  const NodeId flat[] = {key, value};
  set_items(top(), flat);
}

void Builder::set_items_since_mark() {
  fill_from_mark([this](NodeId target, auto values) { set_items(target, values); });
}

void Builder::add_items_since_mark() {
  fill_from_mark([this](NodeId target, auto values) { add_items(target, values); });
}

}  // namespace sconce::pickle::detail
