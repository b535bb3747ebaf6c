#include "sconce/checkpoint/plain_sequences.h"

#include <algorithm>

namespace sconce::checkpoint {
namespace {

constexpr std::size_t kLong = 64;

bool holds_nothing(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kArray:
    case ValueKind::kSparse:
    case ValueKind::kObject:
      return false;
    case ValueKind::kDict:
    case ValueKind::kList:
    case ValueKind::kTuple:
    case ValueKind::kSet:
      return value.size() == 0;
    default:
      return true;
  }
}

}  // namespace

bool PlainSequences::operator()(const Value& value) {
  if (!value.is_list() && !value.is_tuple() && !value.is_set()) return false;
  const std::size_t size = value.size();
  if (size == 0) return false;
  const auto look = [&] { return std::ranges::all_of(value.elements(), holds_nothing); };
  if (size < kLong) return look();
  const auto [at, is_new] = known_.try_emplace(value.id(), false);
  if (is_new) at->second = look();
  return at->second;
}

}  // namespace sconce::checkpoint
