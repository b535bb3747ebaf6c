// Which keys of dicts and members of sets are written.
#pragma once

#include <unordered_map>

#include "checkpoint/writable.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

// A key is written when every object in its tuples and frozensets is: with None in the place of one, it could
// become equal to another key.
class KeptKeys {
 public:
  explicit KeptKeys(Writability& writable) : writable_(writable) {}
  bool operator()(const Value& key);

 private:
  Writability& writable_;
  std::unordered_map<const void*, bool> known_;  // tuples and frozensets
};

}  // namespace sconce::checkpoint
