// A hash table of numbers. What they number, keys included, stays where its owner keeps it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/base/error.h"

namespace sconce {

inline std::uint32_t folded_hash(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}
inline std::uint32_t text_hash(std::string_view text) {
  return folded_hash(std::hash<std::string_view>{}(text));
}

// Neighbours part: numbers and addresses that are near each other are what there is.
inline std::uint32_t number_hash(std::uint64_t number) {
  constexpr std::uint64_t kMix = 0x9E3779B97F4A7C15;  // 2^64 by the golden ratio
  return folded_hash(number * kMix);
}

class HashIndex {
 public:
  // Room for so many numbers. Error kLimit where there are too many for 32 bits.
  void reserve(std::size_t count) {
    if (2 * count <= slots_.size()) return;
    require(count < std::numeric_limits<std::uint32_t>::max(), ErrorCode::kLimit, "hash_index",
            "more than 2^32 - 2 entries");
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::bit_ceil(2 * count)));
    for (const Slot& slot : old) {
      if (slot.number != 0) place(slot);
    }
  }

  // The number that was added with `hash` and for which same(number) is true.
  template <class Same>
  std::optional<std::uint32_t> find(std::uint32_t hash, const Same& same) const {
    if (slots_.empty()) return std::nullopt;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = hash & mask; slots_[at].number != 0; at = (at + 1) & mask) {
      if (slots_[at].hash == hash && same(slots_[at].number - 1)) return slots_[at].number - 1;
    }
    return std::nullopt;
  }

  // Adds a number that find() does not give. Error kLimit as of reserve().
  void add(std::uint32_t hash, std::uint32_t number) {
    reserve(++count_);
    place({hash, number + 1});
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = 0;  // from 1; 0 where the slot is free
  };
  void place(Slot slot) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = slot.hash & mask;
    while (slots_[at].number != 0) at = (at + 1) & mask;
    slots_[at] = slot;
  }

  std::vector<Slot> slots_;  // a power of two of them, at most half are taken
  std::size_t count_ = 0;
};

}  // namespace sconce
