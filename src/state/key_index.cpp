#include "state/key_index.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "state/value_graph.h"

namespace sconce::detail {
namespace {

// Most keys are text, of which no other text is made.
const std::string* text_of_key(const ValueNode& key) { return std::get_if<std::string>(&key.payload); }

}  // namespace

std::uint32_t KeyIndex::hash_of(const ValueNode& key) {
  const std::string* text = text_of_key(key);
  return text_hash(text != nullptr ? std::string_view(*text) : std::string_view(key_text(key)));
}

bool same_key(const ValueNode& a, const ValueNode& b) {
  const std::string* first = text_of_key(a);
  const std::string* second = text_of_key(b);
  if (first != nullptr || second != nullptr) {
    return first != nullptr && second != nullptr && *first == *second;
  }
  return key_text(a) == key_text(b);
}

std::optional<std::size_t> KeyIndex::find(const Entries& entries, const ValueNode& key) const {
  return find(entries, key, hash_of(key));
}

std::optional<std::size_t> KeyIndex::find(const Entries& entries, const ValueNode& key,
                                          std::uint32_t hash) const {
  return index_.find(hash, [&](std::uint32_t i) { return same_key(*entries[i].first, key); });
}

void KeyIndex::add(std::uint32_t hash) {
  index_.add(hash, static_cast<std::uint32_t>(count_));
  ++count_;
}

void KeyIndex::extend(const Entries& entries) {
  for (; count_ < entries.size(); ++count_) {
    const ValueNode& key = *entries[count_].first;
    const std::uint32_t hash = hash_of(key);
    if (!find(entries, key, hash)) index_.add(hash, static_cast<std::uint32_t>(count_));
  }
}

}  // namespace sconce::detail
