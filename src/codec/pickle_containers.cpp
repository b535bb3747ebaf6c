// Tuples, lists, dicts and sets: how the pickle machine makes and fills them.
#include "codec/pickle_builder.h"

namespace sconce::pickle::detail {

NodeId Builder::add_tuple(std::span<const NodeId> items) {
  Record record = record_of(Kind::kTuple);
  record.first = arena_.children.size();
  record.size = checked_size(items.size());
  charge(items.size() * sizeof(NodeId));
  arena_.children.insert(arena_.children.end(), items.begin(), items.end());
  return add(record);
}

void Builder::append_to(std::uint32_t& sequence, std::span<const NodeId> items) {
  if (items.empty()) return;
  if (sequence == kNoNode) {
    charge(sizeof(std::vector<NodeId>));
    sequence = static_cast<std::uint32_t>(arena_.sequences.size());
    arena_.sequences.emplace_back();
  }
  charge(2 * items.size() * sizeof(NodeId));
  auto& list = arena_.sequences[sequence];
  list.insert(list.end(), items.begin(), items.end());
}

NodeId Builder::add_frozenset(std::span<const NodeId> items) {
  const NodeId node = add(record_of(Kind::kFrozenSet));
  std::vector<NodeId> distinct;
  for (const NodeId item : items) {
    if (!keys_.insert(node, key_class(item), 0)) distinct.push_back(item);
  }
  charge(distinct.size() * sizeof(NodeId));
  arena_.records[node].first = arena_.children.size();
  arena_.records[node].size = checked_size(distinct.size());
  arena_.children.insert(arena_.children.end(), distinct.begin(), distinct.end());
  return node;
}

std::uint32_t Builder::key_class(NodeId key) {
  const auto found = keys_.class_of(key);
  if (!found) corrupt(cat("a dict key or set element must be hashable, found ", describe(key)));
  charge(keys_.memory() - charged_keys_);
  charged_keys_ = keys_.memory();
  return *found;
}

void Builder::append(NodeId target, std::span<const NodeId> items) {
  Record& record = arena_.records[target];
  if (record.kind != Kind::kList && record.kind != Kind::kObject) {
    corrupt(cat("expected a list to append to, found ", describe(target)));
  }
  append_to(record.kind == Kind::kList ? record.side : arena_.objects[record.side].items, items);
}

void Builder::set_items(NodeId target, std::span<const NodeId> flat) {
  Record& record = arena_.records[target];
  if (record.kind != Kind::kDict && record.kind != Kind::kObject) {
    corrupt(cat("expected a dict to set items of, found ", describe(target)));
  }
  if (flat.size() % 2 != 0) corrupt("a dict needs keys and values in pairs, found an odd number");
  if (flat.empty()) return;
  std::uint32_t& dict = record.kind == Kind::kDict ? record.side : arena_.objects[record.side].pairs;
  if (dict == kNoNode) {
    charge(sizeof(std::vector<Entry>));
    dict = static_cast<std::uint32_t>(arena_.dicts.size());
    arena_.dicts.emplace_back();
  }
  auto& entries = arena_.dicts[dict];
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
  Record& record = arena_.records[target];
  if (record.kind == Kind::kObject) return append(target, items);
  if (record.kind != Kind::kSet) corrupt(cat("expected a set to add to, found ", describe(target)));
  std::uint32_t position = static_cast<std::uint32_t>(arena_.sequence(record.side).size());
  for (const NodeId item : items) {
    if (keys_.insert(target, key_class(item), position)) continue;
    append_to(record.side, {&item, 1});
    ++position;
  }
}

void Builder::push_tuple(std::size_t n) {
  const NodeId node = add_tuple(last(n));
  drop(n);
  push(node);
}

void Builder::push_tuple_since_mark() {
  make_from_mark([this](auto values) { return add_tuple(values); });
}

void Builder::push_list() { push_new(Kind::kList); }

void Builder::push_list_since_mark() {
  make_from_mark([this](auto values) {
    const NodeId list = add(record_of(Kind::kList));
    append(list, values);
    return list;
  });
}

void Builder::push_dict() { push_new(Kind::kDict); }

void Builder::push_dict_since_mark() {
  make_from_mark([this](auto values) {
    const NodeId dict = add(record_of(Kind::kDict));
    set_items(dict, values);
    return dict;
  });
}

void Builder::push_set() { push_new(Kind::kSet); }

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
