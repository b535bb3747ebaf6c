// Which nodes are equal as Python's dict keys and set elements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "codec/pickle_arena.h"
#include "sconce/base/hash_index.h"

namespace sconce::pickle::detail {

// Numbers the classes of equal hashable nodes (1 == 1.0 == True; tuples by their items). Each node is looked
// at once, however often and however deeply nested it is used, so that keys cannot make reading slow.
class Keys {
 public:
  explicit Keys(Arena& arena) : arena_(arena) {}

  // The class of `node`; nothing when Python would call it unhashable.
  std::optional<std::uint32_t> class_of(NodeId node);

  // Remembers that `container` holds a key of class `key` at `position`. Returns the position it already had,
  // if any.
  std::optional<std::uint32_t> insert(NodeId container, std::uint32_t key, std::uint32_t position);

  // Rough size of the tables, for limits.
  std::uint64_t memory() const { return memory_; }

 private:
  struct ClassOfText {
    NodeId node = kNoNode;  // the first that was seen of it
    std::uint32_t value = 0;
  };
  struct Held {
    NodeId container = kNoNode;
    std::uint32_t key = 0;
    std::uint32_t position = 0;
  };

  bool known(NodeId node) const;
  std::uint32_t known_class(NodeId node) const;
  void set_class(NodeId node, std::uint32_t value);
  void classify(NodeId node);
  std::uint32_t text(NodeId node);
  std::uint32_t composite(std::string key);
  std::uint32_t integer(std::int64_t value);
  std::uint32_t real(double value);

  Arena& arena_;
  std::uint32_t next_ = 0;
  std::uint64_t memory_ = 0;
  std::unordered_map<std::int64_t, std::uint32_t> integers_;
  HashIndex texts_;  // of texts_of_: strings and bytes
  std::vector<ClassOfText> texts_of_;
  std::unordered_map<std::string, std::uint32_t> composites_;
  std::vector<std::uint32_t> global_classes_;
  std::unordered_map<NodeId, std::uint32_t> object_classes_;
  HashIndex held_index_;
  std::vector<Held> held_;
};

}  // namespace sconce::pickle::detail
