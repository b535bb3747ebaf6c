#include "checkpoint/legacy_stream.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "checkpoint/file_pickle.h"
#include "checkpoint/trouble.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/checked.h"

namespace sconce::checkpoint {

using pickle::Graph;
using pickle::Kind;
using pickle::Node;

namespace {

constexpr std::int64_t kVersion = 1001;
// 0x1950A86A20F9469CFC6C, least significant byte first.
constexpr std::string_view kMagic("\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19", 10);
constexpr std::uint64_t kHeadBytes = 8;

void check_magic(const Graph& graph) {
  const Node magic = graph.root();
  if (!magic.is(Kind::kBigInt) || as_chars(magic.as_big_int()) != kMagic) {
    magic.unexpected("the magic number of a torch.save stream");
  }
}

void check_version(const Graph& graph) {
  const Node version = graph.root();
  if (version.as_int() != kVersion) {
    throw Error(ErrorCode::kUnsupported, "torch",
                cat("a stream of protocol version ", version.as_int(), ", expected ", kVersion))
        .at_offset(version.offset())
        .with_advice("get the file anew");
  }
}

template <class... Parts>
[[noreturn]] void refuse(ErrorCode code, std::uint64_t offset, const Parts&... parts) {
  throw Error(code, "torch", cat(parts...)).at_offset(offset);
}

}  // namespace

LegacyStream::LegacyStream(Source source, const LoadOptions& options, const OnPickle& on_pickle,
                           Damage damage)
    : source_(std::move(source)) {
  const std::uint64_t size = source_.bytes->size();
  std::uint64_t at = 0;
  const auto next = [&] {
    FilePickle read = read_pickle(*source_.bytes, at, size, options);
    at = read.end;
    if (on_pickle) on_pickle(read.graph);
    return std::move(read.graph);
  };
  check_magic(next());
  check_version(next());
  next();  // what torch.save knew of its machine; torch.load does not look at it, the bytes are the same
  graph_ = next();
  collect_storages();
  const Graph keys = next();  // before `at` is asked for
  at = place_storages(keys, at, damage);
  if (damage == Damage::kKeep) return;
  require_places();
  trailing_bytes_ = size - at;
  require(trailing_bytes_ == 0 || !options.refuse_trailing, ErrorCode::kCorrupt, "torch", trailing_bytes_,
          " bytes behind the last storage, which ends at byte ", at);
}

// What the object says of its storages; their sizes are needed to find one behind the other.
void LegacyStream::collect_storages() {
  for (std::uint32_t id = 0; id < graph_->node_count(); ++id) {
    const Node node = graph_->node(id);
    if (!node.is(Kind::kPersistent)) continue;
    Referent referent = legacy_ids().resolve(node);
    if (referent.global) continue;
    const auto [known, fresh] = places_.try_emplace(referent.storage.key);
    if (fresh) {
      order_.push_back(referent.storage.key);
      known->second.info = std::move(referent.storage);
      continue;
    }
    const StorageInfo& first = known->second.info;
    if (first.dtype != referent.storage.dtype || first.bytes != referent.storage.bytes) {
      refuse(ErrorCode::kCorrupt, node.offset(), "storage '", escaped(first.key),
             "' is described twice, with different types or sizes");
    }
  }
}

std::uint64_t LegacyStream::place_storages(const Graph& keys, std::uint64_t at, Damage damage) {
  if (!keys.root().is(Kind::kList)) keys.root().unexpected("the list of storages");
  for (const Node key_node : keys.root().items()) {
    const auto found = places_.find(key_text(key_node));
    if (found == places_.end()) key_node.unexpected("a storage that the object uses");
    Place& place = found->second;
    if (place.is_found) {
      refuse(ErrorCode::kCorrupt, key_node.offset(), "storage '", escaped(place.info.key),
             "' is listed twice");
    }
    place.is_found = true;
    place.loss.clear();
    try {
      at = find_place(place, at);
    } catch (const Error& error) {
      if (damage == Damage::kRefuse || is_trouble(error)) throw;
      place.loss = error.text();
      at = std::min(checked_add(at + kHeadBytes, place.info.bytes, "torch"), source_.bytes->size());
    }
  }
  return at;
}

std::uint64_t LegacyStream::find_place(Place& place, std::uint64_t at) const {
  const std::uint64_t size = source_.bytes->size();
  const std::string name = escaped(place.info.key);
  if (size - at < kHeadBytes) {
    refuse(ErrorCode::kTruncated, at, "expected storage '", name, "', the file ends at byte ", size);
  }
  std::array<std::byte, kHeadBytes> head{};
  source_.bytes->read_at(head, at);
  const auto numel = ByteReader(head, "torch").little<std::uint64_t>();
  const std::uint64_t expected = place.info.bytes / itemsize(place.info.dtype.value_or(kUInt8));
  if (numel != expected) {
    refuse(ErrorCode::kCorrupt, at, "storage '", name, "' has ", numel, " elements, its description says ",
           expected);
  }
  place.offset = at + kHeadBytes;
  if (place.info.bytes > size - place.offset) {
    refuse(ErrorCode::kTruncated, place.offset, "storage '", name, "' has ", place.info.bytes,
           " bytes, but the file ends at byte ", size, " (incomplete copy or download?)");
  }
  return place.offset + place.info.bytes;
}

std::string LegacyStream::loss_of(const StorageInfo& storage) const { return place(storage).loss; }

void LegacyStream::require_places() const {
  for (const std::string& key : order_) {
    require(places_.at(key).is_found, ErrorCode::kNotFound, "torch", "the file has no storage '",
            escaped(key), "', which the object uses");
  }
}

const LegacyStream::Place& LegacyStream::place(const StorageInfo& storage) const {
  const auto found = places_.find(storage.key);
  require(found != places_.end(), ErrorCode::kNotFound, "torch", "the file has no storage '",
          escaped(storage.key), "'");
  return found->second;
}

void LegacyStream::read(const StorageInfo& storage, std::span<std::byte> out, std::size_t word) const {
  source_.bytes->read_at(out, place(storage).offset);
  if (needs_swap()) swap_words(out, word);
}

std::optional<Storage> LegacyStream::map(const StorageInfo& storage, std::size_t word) const {
  if (needs_swap() && word > 1) return std::nullopt;
  const Place& at = place(storage);
  return source_.mapped(at.offset, at.info.bytes, word);
}

// The bytes are little-endian on every machine.
bool LegacyStream::needs_swap() const { return std::endian::native != std::endian::little; }

}  // namespace sconce::checkpoint
