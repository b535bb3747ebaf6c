#include "state/key_index.h"

#include <bit>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "sconce/base/error.h"
#include "state/value_graph.h"

namespace sconce::detail {
namespace {

// Most keys are text, of which no other text is made.
const std::string* text_of_key(const ValueNode& key) { return std::get_if<std::string>(&key.payload); }

std::uint32_t hash_of(const ValueNode& key) {
  const std::string* text = text_of_key(key);
  const std::size_t hash =
      text != nullptr ? std::hash<std::string_view>{}(*text) : std::hash<std::string>{}(key_text(key));
  return static_cast<std::uint32_t>(hash ^ (std::uint64_t{hash} >> 32));
}

}  // namespace

bool same_key(const ValueNode& a, const ValueNode& b) {
  const std::string* first = text_of_key(a);
  const std::string* second = text_of_key(b);
  if (first != nullptr || second != nullptr) {
    return first != nullptr && second != nullptr && *first == *second;
  }
  return key_text(a) == key_text(b);
}

std::optional<std::size_t> KeyIndex::find(const Entries& entries, const ValueNode& key) const {
  if (slots_.empty()) return std::nullopt;
  const std::uint32_t number = slots_[slot_of(entries, key, hash_of(key))].number;
  return number == 0 ? std::nullopt : std::optional<std::size_t>(number - 1);
}

void KeyIndex::extend(const Entries& entries) {
  require(entries.size() < std::numeric_limits<std::uint32_t>::max(), ErrorCode::kLimit, "value",
          "a dict has more than 2^32 - 2 entries");
  grow(entries.size());
  for (; count_ < entries.size(); ++count_) {
    const ValueNode& key = *entries[count_].first;
    const std::uint32_t hash = hash_of(key);
    Slot& slot = slots_[slot_of(entries, key, hash)];
    if (slot.number == 0) slot = {hash, static_cast<std::uint32_t>(count_ + 1)};
  }
}

std::size_t KeyIndex::slot_of(const Entries& entries, const ValueNode& key, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.number == 0 || (slot.hash == hash && same_key(*entries[slot.number - 1].first, key))) return at;
  }
}

void KeyIndex::grow(std::size_t entries) {
  if (2 * entries <= slots_.size()) return;
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::bit_ceil(4 * entries)));
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.number == 0) continue;
    std::size_t at = slot.hash & mask;
    while (slots_[at].number != 0) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

}  // namespace sconce::detail
