// Where the keys of a dict stand among its entries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "sconce/base/hash_index.h"

namespace sconce::detail {

struct ValueNode;

// True for keys that Python calls equal.
bool same_key(const ValueNode& a, const ValueNode& b);

class KeyIndex {
 public:
  using Entries = std::vector<std::pair<ValueNode*, ValueNode*>>;

  // Position of the entry with that key.
  std::optional<std::size_t> find(const Entries& entries, const ValueNode& key) const;
  // Brings the index up to entries that were appended since.
  void extend(const Entries& entries);
  // The same in two steps: find() with the key's hash, and when it is new add(), before the entry is
  // appended.
  static std::uint32_t hash_of(const ValueNode& key);
  std::optional<std::size_t> find(const Entries& entries, const ValueNode& key, std::uint32_t hash) const;
  void add(std::uint32_t hash);
  // Room for so many keys.
  void reserve(std::size_t count) { index_.reserve(count); }

 private:
  HashIndex index_;
  std::size_t count_ = 0;  // of the entries it knows
};

}  // namespace sconce::detail
