// Where the keys of a dict stand among its entries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sconce::detail {

struct ValueNode;

// True for keys that Python calls equal.
bool same_key(const ValueNode& a, const ValueNode& b);

// A hash table of positions; the keys stay where they are.
class KeyIndex {
 public:
  using Entries = std::vector<std::pair<ValueNode*, ValueNode*>>;

  // Position of the entry with that key.
  std::optional<std::size_t> find(const Entries& entries, const ValueNode& key) const;
  // Brings the index up to entries that were appended since.
  void extend(const Entries& entries);
  void clear() { *this = {}; }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = 0;  // of the entry, from 1; 0 where the slot is free
  };
  // The slot of that key, or the free one where it belongs.
  std::size_t slot_of(const Entries& entries, const ValueNode& key, std::uint32_t hash) const;
  void grow(std::size_t entries);

  std::vector<Slot> slots_;  // a power of two of them, at most half are taken
  std::size_t count_ = 0;
};

}  // namespace sconce::detail
