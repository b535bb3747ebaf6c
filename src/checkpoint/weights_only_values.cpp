#include "checkpoint/weights_only_values.h"

#include <algorithm>
#include <array>

#include "sconce/base/error.h"

namespace sconce::checkpoint::weights_only {

void Values::charge(std::size_t items) const {
  require(items <= budget_, ErrorCode::kLimit, "pickle", "it makes more of its items than can be followed");
  budget_ -= items;
}

Id Values::add(Item item) {
  items_.push_back(item);
  return static_cast<Id>(items_.size() - 1);
}

Id Values::shared(std::optional<Id>& slot, Item item) {
  if (!slot) slot = add(item);
  return *slot;
}

Id Values::callable(const Allowed* row) {
  rows_.push_back(row);
  return add({Kind::kCallable, true, false, static_cast<std::uint32_t>(rows_.size() - 1)});
}

Id Values::tensor(Kind kind, TensorFacts facts) {
  tensors_.push_back(std::move(facts));
  return add({kind, true, false, static_cast<std::uint32_t>(tensors_.size() - 1)});
}

Id Values::storage(Kind kind, StorageFacts facts) {
  storages_.push_back(facts);
  return add({kind, true, false, static_cast<std::uint32_t>(storages_.size() - 1)});
}

Id Values::container(Kind kind, std::vector<Id> items) {
  charge(items.size());
  const bool is_fixed = kind == Kind::kTuple || kind == Kind::kSize;
  const bool hashable =
      is_fixed && std::all_of(items.begin(), items.end(), [this](Id id) { return items_[id].hashable; });
  lists_.push_back(std::move(items));
  return add({kind, hashable, false, static_cast<std::uint32_t>(lists_.size() - 1)});
}

std::vector<Id> Values::copy_items(Id container) const {
  charge(items(container).size());
  return {items(container).begin(), items(container).end()};
}

bool Values::is_dict(Id id) const {
  return is(id, Kind::kDict) || is(id, Kind::kOrderedDict) || is(id, Kind::kCounter);
}

bool Values::is_sequence(Id id) const {
  return is(id, Kind::kList) || is(id, Kind::kTuple) || is(id, Kind::kSize);
}

bool Values::is_number(Id id) const {
  return is(id, Kind::kBool) || is(id, Kind::kInt) || is(id, Kind::kFloat);
}

bool Values::is_true(Id id) const {
  const Item& item = items_[id];
  switch (item.kind) {
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kBytes:
    case Kind::kByteArray:
      return item.number != 0;
    case Kind::kInt:
      return item.is_big || item.number != 0;
    case Kind::kString:
      return !item.text.empty();
    case Kind::kFloat:
      return item.number != 0;
    default:
      return (!is_sequence(id) && !is_dict(id) && item.kind != Kind::kSet) || !items(id).empty();
  }
}

std::optional<std::vector<Id>> Values::iterate(Id id) const {
  if (is_sequence(id) || is_dict(id) || is(id, Kind::kSet)) charge(items(id).size());
  if (is_sequence(id) || is(id, Kind::kSet)) return std::vector<Id>(items(id).begin(), items(id).end());
  if (is_dict(id)) {
    std::vector<Id> keys;
    for (std::size_t i = 0; i < items(id).size(); i += 2) keys.push_back(items(id)[i]);
    return keys;
  }
  // Characters and bytes are values of one kind: none of them matters here but whether there are any.
  if ((is(id, Kind::kString) && items_[id].text.empty()) ||
      ((is(id, Kind::kBytes) || is(id, Kind::kByteArray)) && items_[id].number == 0)) {
    return std::vector<Id>{};
  }
  return std::nullopt;
}

std::optional<std::vector<std::int64_t>> Values::ints(Id id, bool bool_counts) const {
  if (!is_sequence(id)) return std::nullopt;
  charge(items(id).size());
  std::vector<std::int64_t> out;
  for (const Id item : items(id)) {
    if (!is_int(item) && !(bool_counts && is(item, Kind::kBool))) return std::nullopt;
    out.push_back(items_[item].number);
  }
  return out;
}

std::string Values::describe(Id id) const {
  static constexpr std::array<std::string_view, 22> kNames = {
      "None",           "a bool",        "an int",      "a float",
      "a string",       "bytes",         "a bytearray", "a complex",
      "a tuple",        "a torch.Size",  "a list",      "a dict",
      "an OrderedDict", "a Counter",     "a set",       "a class or function",
      "a tensor",       "a Parameter",   "a storage",   "an untyped storage",
      "a torch.device", "a torch.layout"};
  return std::string(kNames[static_cast<std::size_t>(kind(id))]);
}

}  // namespace sconce::checkpoint::weights_only
