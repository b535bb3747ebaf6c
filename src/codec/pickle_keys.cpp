#include "codec/pickle_keys.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "sconce/base/big_int.h"
#include "sconce/base/byte_reader.h"

namespace sconce::pickle::detail {
namespace {

constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
constexpr std::uint64_t kEntryBytes = 48;  // of a hash table entry

bool is_unhashable(Kind kind) {
  return kind == Kind::kList || kind == Kind::kDict || kind == Kind::kSet || kind == Kind::kByteArray;
}
bool is_nested(Kind kind) { return kind == Kind::kTuple || kind == Kind::kFrozenSet; }

template <class Map, class Key>
std::uint32_t number(Map& map, Key&& key, std::uint32_t& next, std::uint64_t& memory) {
  const auto [at, fresh] = map.try_emplace(std::forward<Key>(key), next);
  if (fresh) {
    ++next;
    memory += kEntryBytes;
  }
  return at->second;
}

void append_class(std::string& key, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) key.push_back(static_cast<char>((value >> shift) & 0xFF));
}

}  // namespace

std::uint32_t Keys::text(NodeId node) {
  const Record& r = arena_.at(node);
  const std::string_view wanted = arena_.text(r);
  const std::uint32_t hash = text_hash(wanted);
  const auto found = texts_.find(hash, [&](std::uint32_t i) {
    const Record& other = arena_.at(texts_of_[i].node);
    return other.kind == r.kind && arena_.text(other) == wanted;
  });
  if (found) return texts_of_[*found].value;
  texts_of_.push_back({node, next_});
  texts_.add(hash, static_cast<std::uint32_t>(texts_of_.size() - 1));
  memory_ += kEntryBytes;
  return next_++;
}

std::uint32_t Keys::composite(std::string key) {
  memory_ += key.size();
  return number(composites_, std::move(key), next_, memory_);
}

std::uint32_t Keys::integer(std::int64_t value) { return number(integers_, value, next_, memory_); }

std::uint32_t Keys::real(double value) {
  if (std::isnan(value)) return next_++;  // equal to nothing else
  if (std::isfinite(value) && std::trunc(value) == value) {
    const auto bytes = integer_from_double(value);
    if (const auto small = integer_to_int64(bytes)) return integer(*small);
    return composite(cat('I', as_chars(bytes)));
  }
  std::string key = "F";
  const auto bits = std::bit_cast<std::uint64_t>(value);
  append_class(key, static_cast<std::uint32_t>(bits));
  append_class(key, static_cast<std::uint32_t>(bits >> 32));
  return composite(std::move(key));
}

bool Keys::known(NodeId node) const { return known_class(node) != kUnknown; }

std::uint32_t Keys::known_class(NodeId node) const {
  const Record& r = arena_.at(node);
  if (r.kind == Kind::kGlobal) {
    return r.side < global_classes_.size() ? global_classes_[r.side] : kUnknown;
  }
  if (r.kind == Kind::kObject) {
    const auto at = object_classes_.find(node);
    return at == object_classes_.end() ? kUnknown : at->second;
  }
  return r.side;
}

void Keys::set_class(NodeId node, std::uint32_t value) {
  Record& r = arena_.records[node];
  if (r.kind == Kind::kGlobal) {
    if (global_classes_.size() <= r.side) global_classes_.resize(r.side + std::size_t{1}, kUnknown);
    global_classes_[r.side] = value;
  } else if (r.kind == Kind::kObject) {
    object_classes_.emplace(node, value);
    memory_ += kEntryBytes;
  } else {
    r.side = value;
  }
}

// Needs the classes of the children of a tuple or frozenset.
void Keys::classify(NodeId node) {
  const Record& r = arena_.at(node);
  std::uint32_t value = kUnknown;
  switch (r.kind) {
    case Kind::kNone:
      value = composite("N");
      break;
    case Kind::kBool:
      value = integer(r.flag ? 1 : 0);
      break;
    case Kind::kInt:
      value = integer(r.integer);
      break;
    case Kind::kBigInt:
      value = composite(cat('I', arena_.text(r)));
      break;
    case Kind::kFloat:
      value = real(r.real);
      break;
    case Kind::kString:
    case Kind::kBytes:
      value = text(node);
      break;
    case Kind::kTuple:
    case Kind::kFrozenSet: {
      std::vector<std::uint32_t> classes;
      for (std::uint32_t i = 0; i < r.size; ++i) classes.push_back(known_class(arena_.children[r.first + i]));
      if (r.kind == Kind::kFrozenSet) std::sort(classes.begin(), classes.end());
      std::string key(1, r.kind == Kind::kTuple ? 'T' : 'S');
      for (const std::uint32_t c : classes) append_class(key, c);
      value = composite(std::move(key));
      break;
    }
    default:
      value = next_++;
      break;  // globals (already distinct), objects and persistent ones: by identity
  }
  set_class(node, value);
}

std::optional<std::uint32_t> Keys::class_of(NodeId node) {
  const Kind kind = arena_.at(node).kind;
  if (is_unhashable(kind)) return std::nullopt;
  if (!is_nested(kind)) {  // as most are: no list of work for one
    if (!known(node)) classify(node);
    return known_class(node);
  }
  std::vector<NodeId> work{node};
  while (!work.empty()) {
    const NodeId top = work.back();
    const Record& r = arena_.at(top);
    if (is_unhashable(r.kind)) return std::nullopt;
    if (known(top)) {
      work.pop_back();
      continue;
    }
    bool ready = true;
    if (is_nested(r.kind)) {
      for (std::uint32_t i = 0; i < r.size; ++i) {
        const NodeId child = arena_.children[r.first + i];
        if (is_unhashable(arena_.at(child).kind)) return std::nullopt;
        if (known(child)) continue;
        work.push_back(child);
        ready = false;
      }
    }
    if (!ready) continue;
    classify(top);
    work.pop_back();
  }
  return known_class(node);
}

std::optional<std::uint32_t> Keys::insert(NodeId container, std::uint32_t key, std::uint32_t position) {
  const std::uint32_t hash = number_hash((std::uint64_t{container} << 32) | key);
  const auto found = held_index_.find(
      hash, [&](std::uint32_t i) { return held_[i].container == container && held_[i].key == key; });
  if (found) return held_[*found].position;
  held_.push_back({container, key, position});
  held_index_.add(hash, static_cast<std::uint32_t>(held_.size() - 1));
  memory_ += kEntryBytes;
  return std::nullopt;
}

}  // namespace sconce::pickle::detail
