#include "checkpoint/tar_archive.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "checkpoint/file_pickle.h"
#include "checkpoint/no_checkpoint.h"
#include "checkpoint/read_limits.h"
#include "checkpoint/rebuild.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/checked.h"

namespace sconce::checkpoint {

using pickle::Graph;
using pickle::Kind;
using pickle::Node;
using pickle::NodeList;

namespace {

constexpr std::string_view kStorages = "storages";
constexpr std::string_view kTensors = "tensors";
constexpr std::string_view kPickle = "pickle";

template <class... Parts>
void require_at(bool condition, std::uint64_t offset, ErrorCode code, const Parts&... parts) {
  if (!condition) throw Error(code, "torch", cat(parts...)).at_offset(offset);
}

// The tuple that a pickle consists of.
NodeList tuple_of(const Graph& graph, std::size_t least, std::size_t most, std::string_view wanted) {
  const Node root = graph.root();
  if (!root.is(Kind::kTuple) || root.size() < least || root.size() > most) root.unexpected(wanted);
  return root.items();
}

}  // namespace

TarArchive::TarArchive(Source source, const LoadOptions& options)
    : source_(std::move(source)), options_(options) {
  const auto members = tar::list(*source_.bytes);
  const bool is_torch = std::any_of(members.begin(), members.end(), [](const tar::Member& member) {
    return member.name == kStorages || member.name == kTensors || member.name == kPickle;
  });
  require_checkpoint(is_torch, "torch", "a tar archive that PyTorch 0.1 did not write; unpack it first");
  // Tensors need the storages, the pickle needs both.
  read_storages(member(members, kStorages));
  read_tensors(member(members, kTensors));
  Cursor cursor = member(members, kPickle);
  graph_ = next_pickle(cursor);
  finish(cursor);
  require(trailing_bytes_ == 0 || !options.refuse_trailing, ErrorCode::kCorrupt, "torch", trailing_bytes_,
          " bytes behind what the members of the archive need");
}

TarArchive::Cursor TarArchive::member(const std::vector<tar::Member>& members, std::string_view name) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const tar::Member& each) { return each.name == name; });
  require(found != members.end(), ErrorCode::kCorrupt, "torch",
          "an archive of PyTorch 0.1 that is damaged: it has no member '", name, "'");
  return {name, found->offset, found->offset + found->size};
}

Graph TarArchive::next_pickle(Cursor& cursor) {
  FilePickle read = read_pickle(*source_.bytes, cursor.at, cursor.end, options_);
  cursor.at = read.end;
  facts_.add(std::string(cursor.member), read.graph);
  return std::move(read.graph);
}

std::int64_t TarArchive::next_count(Cursor& cursor) {
  const Graph graph = next_pickle(cursor);
  if (graph.root().as_int() < 0) graph.root().unexpected("a count");
  return graph.root().as_int();
}

std::vector<std::int64_t> TarArchive::next_numbers(Cursor& cursor, std::uint64_t count) const {
  constexpr std::uint64_t kBytes = sizeof(std::int64_t);
  require_at(count <= (cursor.end - cursor.at) / kBytes, cursor.at, ErrorCode::kTruncated, "expected ", count,
             " numbers of 8 bytes, but the member ends at byte ", cursor.end);
  std::vector<std::byte> bytes(static_cast<std::size_t>(count * kBytes));
  source_.bytes->read_at(bytes, cursor.at);
  cursor.at += bytes.size();
  ByteReader reader(bytes, "torch");
  std::vector<std::int64_t> out;
  while (!reader.at_end()) out.push_back(reader.little<std::int64_t>());
  return out;
}

void TarArchive::add(Node key, Referent referent) {
  const std::string text = key_text(key);
  if (!objects_.emplace(text, std::move(referent)).second) {
    key.unexpected("a key that no other storage, view or tensor has");
  }
}

void TarArchive::read_storages(Cursor cursor) {
  const std::int64_t count = next_count(cursor);
  bool is_alpha = count == 0;
  for (std::int64_t i = 0; i < count; ++i) is_alpha = read_storage(cursor);
  // Alpha versions had no views.
  if (!is_alpha || cursor.at < cursor.end) read_views(cursor);
  finish(cursor);
}

bool TarArchive::read_storage(Cursor& cursor) {
  const Graph graph = next_pickle(cursor);
  const NodeList parts = tuple_of(graph, 2, 3, "a storage: (key, location, class)");
  const bool is_alpha = parts.size() == 2;
  const std::uint64_t head = cursor.at;
  const std::int64_t numel = next_numbers(cursor, 1)[0];
  require_at(numel >= 0, head, ErrorCode::kCorrupt, "a storage has ", numel, " elements");
  Referent out;
  out.storage =
      storage_of(parts[parts.size() - 1], key_text(parts[0]), is_alpha ? "cpu" : parts[1].as_string(), numel);
  require_at(out.storage.bytes <= cursor.end - cursor.at, cursor.at, ErrorCode::kTruncated, "storage '",
             escaped(out.storage.key), "' has ", out.storage.bytes, " bytes, but its member ends at byte ",
             cursor.end);
  places_.emplace(out.storage.key, Place{cursor.at, out.storage.bytes});
  cursor.at += out.storage.bytes;
  add(parts[0], std::move(out));
  return is_alpha;
}

void TarArchive::read_views(Cursor& cursor) {
  const Graph graph = next_pickle(cursor);
  if (!graph.root().is(Kind::kList)) graph.root().unexpected("the list of views");
  for (const Node view : graph.root().items()) {
    if (!view.is(Kind::kTuple) || view.size() != 4) view.unexpected("a view: (key, storage, offset, numel)");
    const NodeList parts = view.items();
    const auto root = objects_.find(key_text(parts[1]));
    if (root == objects_.end() || root->second.view) parts[1].unexpected("the key of a storage");
    Referent out;
    out.storage = root->second.storage;
    out.view = view_within(out.storage, key_text(parts[0]), parts[2].as_int(), parts[3].as_int(), view);
    add(parts[0], std::move(out));
  }
}

void TarArchive::read_tensors(Cursor cursor) {
  const std::int64_t count = next_count(cursor);
  for (std::int64_t i = 0; i < count; ++i) read_tensor(cursor);
  finish(cursor);
}

void TarArchive::read_tensor(Cursor& cursor) {
  const Graph graph = next_pickle(cursor);
  const NodeList parts = tuple_of(graph, 3, 3, "a tensor: (key, storage key, class)");
  const bool is_alpha = parts[1].is(Kind::kGlobal);
  const Node storage = parts[is_alpha ? 2 : 1];
  const Node type = parts[is_alpha ? 1 : 2];
  const DType dtype = tensor_class_dtype(type.as_global(), type);

  // Four bytes of rank, then four that may be anything: the rank was once eight bytes long.
  const std::uint64_t head = cursor.at;
  const auto rank = static_cast<std::int32_t>(static_cast<std::uint64_t>(next_numbers(cursor, 1)[0]));
  require_at(rank >= 0, head, ErrorCode::kCorrupt, "a tensor has ", rank, " dimensions");
  require_at(static_cast<std::size_t>(rank) <= kMaxRank, head, ErrorCode::kLimit, "a tensor has ", rank,
             " dimensions, at most ", kMaxRank);
  const auto n = static_cast<std::size_t>(rank);
  const auto numbers = next_numbers(cursor, 2 * n + 1);
  Geometry geometry;
  geometry.shape = Shape(Dims(std::span(numbers).first(n)));
  geometry.strides = Dims(std::span(numbers).subspan(n, n));
  geometry.offset = numbers.back();

  Referent out;
  if (storage.is_none()) {
    out.storage.dtype = dtype;
    out.storage.is_in_file = false;
  } else {
    const auto found = objects_.find(key_text(storage));
    if (found == objects_.end() || found->second.tensor) storage.unexpected("the key of a storage");
    out = found->second;
  }
  // There were no scalars in 0.1: a tensor without dimensions was an empty one.
  const std::uint64_t bytes = out.view ? static_cast<std::uint64_t>(out.view->numel) : out.storage.bytes;
  if (rank == 0 && bytes == 0) geometry = Geometry::contiguous(Shape{0});
  out.tensor = std::move(geometry);
  out.tensor_key = key_text(parts[0]);
  add(parts[0], std::move(out));
}

// formats.md B.2: the key as text, or a class with the source it was saved with.
Referent TarArchive::resolve(Node node) const {
  const Node pid = node.pid();
  if (pid.is(Kind::kTuple) && pid.size() > 0) {
    pid.items()[0].as_global();
    Referent out;
    out.global = pid.items()[0];
    return out;
  }
  const auto found = objects_.find(key_text(pid));
  if (found == objects_.end()) {
    throw Error(ErrorCode::kNotFound, "torch",
                cat("the archive has no storage or tensor '", escaped(key_text(pid)), "'"))
        .at_offset(pid.offset());
  }
  return found->second;
}

std::uint64_t TarArchive::size_of(const StorageInfo& storage) const { return places_.at(storage.key).bytes; }

StoragePlace TarArchive::place_of(const StorageInfo& storage) const {
  return {std::string(kStorages), places_.at(storage.key).offset, false};
}

void TarArchive::read(const StorageInfo& storage, std::span<std::byte> out, std::size_t word) const {
  source_.bytes->read_at(out, places_.at(storage.key).offset);
  if (needs_swap()) swap_words(out, word);
}

std::optional<Storage> TarArchive::map(const StorageInfo& storage, std::size_t word) const {
  if (needs_swap() && word > 1) return std::nullopt;
  const Place& place = places_.at(storage.key);
  return source_.mapped(place.offset, place.bytes, word);
}

bool TarArchive::needs_swap() const { return std::endian::native != std::endian::little; }

}  // namespace sconce::checkpoint
