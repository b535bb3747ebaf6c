#include "checkpoint/kept_keys.h"

#include <vector>

namespace sconce::checkpoint {
namespace {

bool holds_parts(const Value& key) {
  return key.kind() == ValueKind::kTuple || key.kind() == ValueKind::kSet;
}

}  // namespace

// Depth first, with a stack of our own: tuples nest as deep as the file does.
bool KeptKeys::operator()(const Value& key) {
  if (key.is_object()) return writable_(key);
  if (!holds_parts(key)) return true;
  if (const auto [at, fresh] = known_.try_emplace(key.id(), true); !fresh) return at->second;

  struct Open {
    const void* id;
    std::vector<Value> parts;
    std::size_t next = 0;
  };
  std::vector<Open> open;
  open.push_back({key.id(), key.elements()});
  while (!open.empty()) {
    Open& top = open.back();
    if (top.next == top.parts.size()) {
      open.pop_back();
      continue;
    }
    const Value part = top.parts[top.next++];
    bool is_kept = !part.is_object() || writable_(part);
    if (holds_parts(part)) {
      const auto [at, fresh] = known_.try_emplace(part.id(), true);
      if (fresh) open.push_back({part.id(), part.elements()});
      is_kept = at->second;
    }
    if (!is_kept) {
      for (const Open& around : open) known_[around.id] = false;
      return false;
    }
  }
  return true;
}

}  // namespace sconce::checkpoint
