#include "checkpoint/value_reader.h"

#include <utility>

#include "checkpoint/read_limits.h"
#include "checkpoint/sparse_check.h"
#include "sconce/base/checked.h"

namespace sconce::checkpoint {

using pickle::Kind;
using pickle::Node;
using pickle::NodeList;

namespace {

constexpr std::uint32_t kUnknown = 0;
constexpr std::uint32_t kBuilding = 1;
constexpr std::uint32_t kReady = 2;

[[noreturn]] void refuse(ErrorCode code, const Node& at, const std::string& text) {
  throw Error(code, "torch", text).at_offset(at.offset());
}

// The elements, or bytes where several values share one, that a tensor needs of its storage.
std::int64_t end_of(const Geometry& geometry, bool is_packed, DType dtype) {
  if (!is_packed) return geometry.required_elements();
  const std::int64_t bytes = packed_bytes(geometry, dtype).numel();
  return bytes == 0 ? 0 : checked_add(geometry.offset, bytes, "torch");
}

// formats.md B.4, "tensor validity".
void check_tensor(const Node& at, const Geometry& geometry, std::uint64_t storage_bytes, DType dtype,
                  bool is_packed) {
  if (geometry.shape.size() != geometry.strides.size()) {
    refuse(ErrorCode::kCorrupt, at,
           cat("a tensor has ", geometry.shape.size(), " sizes but ", geometry.strides.size(), " strides"));
  }
  if (geometry.rank() > kMaxRank) {
    refuse(ErrorCode::kLimit, at, cat("a tensor has ", geometry.rank(), " dimensions, at most ", kMaxRank));
  }
  bool is_negative = geometry.offset < 0;
  for (std::size_t i = 0; i < geometry.rank(); ++i) {
    is_negative = is_negative || geometry.shape[i] < 0 || geometry.strides[i] < 0;
  }
  if (is_negative) refuse(ErrorCode::kCorrupt, at, "a tensor has a negative size, stride or offset");
  const auto size = static_cast<std::int64_t>(itemsize(dtype));
  checked_mul(geometry.numel(), size, "torch");
  const auto elements = static_cast<std::int64_t>(storage_bytes) / size;
  const std::int64_t needed = end_of(geometry, is_packed, dtype);
  if (needed > elements || geometry.offset > elements) {
    refuse(ErrorCode::kCorrupt, at,
           cat("a tensor of shape ", geometry.shape.str(), " reaches to ", is_packed ? "byte " : "element ",
               std::max(needed, geometry.offset), ", its storage has ", elements));
  }
}

}  // namespace

void set_item_from(const Node& at, Value& dict, const Value& key, const Value& value) {
  try {
    dict.set_item(key, value);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDTypeMismatch) throw error.at_offset(at.offset());
    refuse(ErrorCode::kCorrupt, at, error.text());
  }
}

ValueReader::ValueReader(const pickle::Graph& graph, TensorBackend& backend, bool keep_parts,
                         const PersistentIds& ids)
    : graph_(graph),
      backend_(backend),
      ids_(ids),
      keep_parts_(keep_parts),
      spare_memory_(graph.spare_memory()),
      slots_(graph.node_count(), kUnknown) {}

Value ValueReader::read() {
  Value root = now(graph_.root());
  while (!later_.empty()) {
    const auto work = std::move(later_.front());
    later_.pop_front();
    work();
  }
  return root;
}

std::vector<StoredPart> ValueReader::parts_of(const Value& value) const {
  const auto found = parts_.find(value.id());
  return found == parts_.end() ? std::vector<StoredPart>{} : found->second;
}

const Value* ValueReader::get(Node node) {
  const std::uint32_t slot = slots_[node.id()];
  if (slot >= kReady) return &values_[slot - kReady];
  missing_.push_back(node);
  return nullptr;
}

std::optional<std::vector<Value>> ValueReader::get_all(NodeList nodes) {
  std::vector<Value> out;
  out.reserve(nodes.size());
  for (const Node node : nodes) {
    if (const Value* value = get(node)) out.push_back(*value);
  }
  if (out.size() != nodes.size()) return std::nullopt;
  return out;
}

const Value& ValueReader::now(Node node) {
  if (slots_[node.id()] < kReady) build(node);
  return values_[slots_[node.id()] - kReady];
}

// False when some others must be made first: these are then in missing_.
bool ValueReader::make_now(Node node) {
  missing_.clear();
  auto value = make_placed(node);
  if (!value) return false;
  if (node.is(Kind::kObject)) count_object(node);
  slots_[node.id()] = static_cast<std::uint32_t>(values_.size()) + kReady;
  values_.push_back(*std::move(value));
  return true;
}

// What the parts of a tensor say of themselves has no place: it is that of the object.
std::optional<Value> ValueReader::make_placed(Node node) {
  try {
    return make(node);
  } catch (const Error& error) {
    if (!error.record().empty() || !error.path().empty()) throw;
    throw error.at_offset(node.offset());
  }
}

// Depth first with a stack of its own: nesting in a file must not become nesting of calls.
void ValueReader::build(Node start) {
  if (make_now(start)) return;  // as most can be: no stack for one
  std::vector<Node> stack{start};
  while (!stack.empty()) {
    const Node node = stack.back();
    if (slots_[node.id()] >= kReady || make_now(node)) {
      stack.pop_back();
      continue;
    }
    slots_[node.id()] = kBuilding;
    for (const Node missing : missing_) {
      if (slots_[missing.id()] == kBuilding) missing.unexpected("an object that is not part of itself");
      stack.push_back(missing);
    }
  }
}

std::optional<Value> ValueReader::make(Node node) {
  switch (node.kind()) {
    case Kind::kNone:
      return arena_.none();
    case Kind::kBool:
      return arena_.boolean(node.as_bool());
    case Kind::kInt:
      return arena_.integer(node.as_int());
    case Kind::kBigInt:
      return arena_.integer(node.as_big_int());
    case Kind::kFloat:
      return arena_.real(node.as_double());
    case Kind::kString:
      return arena_.string(node.as_string());
    case Kind::kBytes:
    case Kind::kByteArray:
      return arena_.bytes(node.as_bytes(), node.is(Kind::kByteArray));
    case Kind::kGlobal:
      return global(node);
    case Kind::kList:
      return make_list(node);
    case Kind::kDict:
      return make_dict(node);
    case Kind::kTuple:
    case Kind::kSet:
    case Kind::kFrozenSet: {
      const auto elements = get_all(node.items());
      if (!elements) return std::nullopt;
      Value out = node.is(Kind::kTuple) ? arena_.tuple() : arena_.set(node.is(Kind::kFrozenSet));
      for (const Value& element : *elements) out.append(element);
      return out;
    }
    case Kind::kPersistent:
      return make_referent(node);
    case Kind::kObject:
      return ids_.is_storage(node) ? make_referent(node) : make_object(node);
  }
  node.unexpected("a Python value");
}

Value ValueReader::make_list(Node node) {
  Value list = arena_.list();
  later([this, node, list]() mutable {
    list.reserve(node.size());
    for (const Node item : node.items()) list.append(now(item));
  });
  return list;
}

Value ValueReader::make_dict(Node node) {
  Value dict = arena_.dict();
  later([this, node, dict]() mutable {
    dict.reserve(node.size());
    for (const pickle::Pair pair : node.pairs()) set_item_from(node, dict, now(pair.key), now(pair.value));
  });
  return dict;
}

std::optional<Value> ValueReader::make_object(Node node) {
  Node callable = node.callable();
  if (callable.is(Kind::kPersistent)) callable = ids_.resolve(callable).global.value_or(callable);
  if (callable.is(Kind::kGlobal)) {
    bool known = false;
    auto value = make_call({node, callable.as_global(), node.args()}, known);
    if (known) return value;
  }
  return make_inert(node, false);
}

std::optional<Value> ValueReader::make_inert(Node node, bool with_state) {
  const Value* callable = get(node.callable());
  const auto args = get_all(node.args());
  const auto kwargs_node = node.kwargs();
  const Value* kwargs = kwargs_node ? get(*kwargs_node) : nullptr;
  const std::optional<std::vector<Value>> states = with_state ? get_all(node.states()) : std::vector<Value>{};
  if (!callable || !args || (kwargs_node && !kwargs) || !states) return std::nullopt;
  Value arguments = arena_.tuple();
  for (const Value& argument : *args) arguments.append(argument);
  const bool is_new = node.object_kind() == pickle::ObjectKind::kNewObj ||
                      node.object_kind() == pickle::ObjectKind::kNewObjEx;
  Value object = arena_.object(is_new ? ObjectKind::kNew : ObjectKind::kReduce, *callable, arguments,
                               kwargs ? *kwargs : arena_.none());
  for (const Value& state : *states) object.add_object_state(state);
  later([this, node, object, with_state]() mutable {
    for (const Node item : node.items()) object.add_object_element(now(item));
    for (const pickle::Pair pair : node.pairs()) object.add_object_item(now(pair.key), now(pair.value));
    if (with_state) return;
    for (const Node state : node.states()) object.add_object_state(now(state));
  });
  return object;
}

// A storage saved by itself becomes the flat array of its elements, which remembers that.
Value ValueReader::make_referent(Node node) {
  const Referent referent = ids_.resolve(node);
  if (referent.global) return global(*referent.global);
  if (referent.tensor) {
    const auto known = tensors_.find(referent.tensor_key);
    if (known != tensors_.end()) return known->second;
  }
  const std::size_t index = storage_of(node, referent);
  StoredTensor stored{index, storages_[index].dtype.value_or(kUInt8), {}, false, false};
  const auto elements = static_cast<std::int64_t>(storages_[index].bytes / itemsize(stored.dtype));
  stored.geometry = referent.tensor.value_or(Geometry::contiguous(Shape{elements}));
  TensorLeaf leaf;
  if (!referent.tensor) {
    leaf.bare_storage = storages_[index].dtype ? BareStorage::kTyped : BareStorage::kUntyped;
  }
  Value value = tensor(node, std::move(stored), std::move(leaf));
  if (referent.tensor) tensors_.emplace(referent.tensor_key, value);
  return value;
}

std::size_t ValueReader::storage(Node node) {
  Referent referent = ids_.resolve(node);
  if (referent.global || referent.tensor) node.unexpected("a storage");
  return storage_of(node, std::move(referent));
}

std::size_t ValueReader::empty_storage(DType dtype) {
  StorageInfo info;
  info.dtype = dtype;
  info.location = "cpu";
  info.is_in_file = false;
  storages_.push_back(std::move(info));
  return storages_.size() - 1;
}

std::size_t ValueReader::storage_of(const Node& at, Referent referent) {
  if (!referent.storage.is_in_file) return empty_storage(referent.storage.dtype.value_or(kUInt8));
  if (!referent.view) return add_storage(at, std::move(referent.storage), std::nullopt);
  const std::size_t root = add_storage(at, referent.storage, std::nullopt);
  StorageInfo view = std::move(referent.storage);
  view.key = referent.view->key;
  view.bytes = static_cast<std::uint64_t>(referent.view->numel) * itemsize(view.dtype.value_or(kUInt8));
  return add_storage(at, std::move(view), ViewOf{root, referent.view->offset});
}

std::size_t ValueReader::add_storage(const Node& at, StorageInfo info, std::optional<ViewOf> view) {
  const std::uint32_t hash = text_hash(info.key);
  const auto known = storage_index_.find(hash, [&](std::uint32_t i) { return storages_[i].key == info.key; });
  if (known) {
    const StorageInfo& first = storages_[*known];
    const auto first_view = views_.find(*known);
    const bool same_view = view ? first_view != views_.end() && first_view->second.storage == view->storage &&
                                      first_view->second.first == view->first
                                : first_view == views_.end();
    if (first.dtype != info.dtype || first.bytes != info.bytes || !same_view) {
      refuse(ErrorCode::kCorrupt, at,
             cat("storage '", escaped(info.key), "' is described twice, with different types or sizes"));
    }
    return *known;
  }
  if (view) {
    views_.emplace(storages_.size(), *view);
  } else if (const std::uint64_t present = backend_.storage_size(info); present != info.bytes) {
    refuse(present < info.bytes ? ErrorCode::kTruncated : ErrorCode::kCorrupt, at,
           cat("storage '", escaped(info.key), "' has ", info.bytes,
               " bytes by its description, the file has ", present));
  }
  storage_index_.add(hash, static_cast<std::uint32_t>(storages_.size()));
  storages_.push_back(std::move(info));
  return storages_.size() - 1;
}

Value ValueReader::tensor(const Node& at, StoredTensor stored, TensorLeaf leaf) {
  const StorageInfo& info = storages_[stored.storage];
  const bool is_packed = leaf.quantization && values_per_byte(stored.dtype) > 1;
  check_tensor(at, stored.geometry, info.bytes, stored.dtype, is_packed);
  const DTypeKind kind = dtype_info(stored.dtype).kind;
  if ((stored.is_conj && kind != DTypeKind::kComplex) ||
      (stored.is_neg && kind != DTypeKind::kComplex && kind != DTypeKind::kFloating)) {
    refuse(ErrorCode::kCorrupt, at,
           cat("a tensor of ", dtype_name(stored.dtype), " cannot be a conjugate or negative view"));
  }
  leaf.device = info.location;
  if (const auto view = views_.find(stored.storage); view != views_.end()) {
    stored.storage = view->second.storage;
    stored.geometry.offset += view->second.first;  // both lie within the whole storage
  }
  if (is_packed) {
    leaf.quantization->packed = stored.geometry;
    stored.geometry = packed_bytes(stored.geometry, stored.dtype);
  }
  leaf.array = backend_.make(stored, storages_[stored.storage]);
  Value value = arena_.array(std::move(leaf));
  if (keep_parts_) parts_[value.id()].push_back({"", std::move(stored)});
  return value;
}

Value ValueReader::tensor(const Array& content, TensorLeaf leaf) {
  if (keep_parts_) {
    StorageInfo info;
    info.dtype = content.dtype();
    info.bytes = content.storage().size();
    info.location = leaf.device;
    info.is_in_file = false;
    info.content = content.storage();
    storages_.push_back(std::move(info));
  }
  leaf.array = content;
  Value value = arena_.array(std::move(leaf));
  if (keep_parts_) {
    parts_[value.id()].push_back(
        {"", {storages_.size() - 1, content.dtype(), content.geometry(), false, false}});
  }
  return value;
}

std::optional<TensorKind> ValueReader::kind_of(const Value& array) const {
  const Array& made = array.as_array();
  if (made.defined()) return TensorKind{made.dtype(), made.shape()};
  const auto parts = parts_.find(array.id());
  if (parts == parts_.end()) return std::nullopt;
  const StoredTensor& stored = parts->second.front().tensor;
  return TensorKind{stored.dtype, stored.geometry.shape};
}

Value ValueReader::sparse(const Node& at, SparseLeaf leaf,
                          const std::vector<std::pair<std::string, Value>>& parts) {
  if (backend_.refuses_misfits()) {
    std::vector<TensorKind> kinds;
    for (const auto& part : parts) {
      if (const auto kind = kind_of(part.second)) kinds.push_back(*kind);
    }
    const std::string fault = kinds.size() == parts.size() ? sparse_misfit(leaf, kinds) : "";
    if (!fault.empty()) refuse(ErrorCode::kCorrupt, at, cat("a sparse tensor contradicts itself: ", fault));
  }
  Value value = arena_.sparse(std::move(leaf));
  for (const auto& [role, part] : parts) copy_parts(value, role, part);
  return value;
}

void ValueReader::count_copy(Node source, std::uint64_t bytes) {
  if (copied_.empty()) copied_.resize(graph_.node_count());
  if (!copied_[source.id()]) {
    copied_[source.id()] = true;
    return;
  }
  spend(source, bytes);
}

// Objects that share their arguments take a file some five bytes each.
void ValueReader::count_object(Node node) {
  constexpr std::uint64_t kObjectBytes = 512;
  const Node args = node.args_tuple();
  if (args.size() > 0) count_copy(args, kObjectBytes + args.size() * sizeof(void*));
}

Value ValueReader::global(Node node) {
  constexpr std::size_t kShortName = 256;
  const pickle::Global& global = node.as_global();
  const std::size_t size = global.module.size() + global.name.size();
  if (size > kShortName) spend(node, size);
  return arena_.global(global.module, global.name);
}

void ValueReader::spend(Node source, std::uint64_t bytes) {
  if (bytes > spare_memory_) {
    throw Error(ErrorCode::kLimit, "torch",
                cat("many values copy ", source.describe(), ": more than the memory that is left to them"))
        .at_offset(source.offset())
        .with_limit(graph_.memory_name());
  }
  spare_memory_ -= bytes;
}

std::shared_ptr<const ShardOf> ValueReader::shard_of(Node sizes, Node placements,
                                                     const std::function<ShardOf()>& make) {
  auto& made = shards_[{sizes.id(), placements.id()}];
  if (!made) made = std::make_shared<const ShardOf>(make());
  return made;
}

void ValueReader::copy_parts(const Value& value, const std::string& role, const Value& source) {
  if (!keep_parts_) return;
  for (StoredPart part : parts_of(source)) {
    if (!role.empty()) part.role = part.role.empty() ? role : cat(role, ".", part.role);
    parts_[value.id()].push_back(std::move(part));
  }
}

}  // namespace sconce::checkpoint
