// Gives the nodes of a torch pickle their meaning. Nothing is called: a fixed table (rebuild.cpp) knows
// the calls that stand for tensors and plain Python values, everything else stays an inert object.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "checkpoint/persistent_ids.h"
#include "checkpoint/stored_tensor.h"
#include "sconce/base/hash_index.h"
#include "sconce/codec/pickle.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

// callable(*args) as the pickle spells it.
struct Call {
  pickle::Node node;  // the object itself, for messages and for what was done to it afterwards
  pickle::Global function;
  pickle::NodeList args;
};

class ValueReader {
 public:
  // `graph`, `backend` and `ids` must outlive the reader. With `keep_parts` the description of every tensor
  // is kept for parts_of().
  ValueReader(const pickle::Graph& graph, TensorBackend& backend, bool keep_parts,
              const PersistentIds& ids = zip_ids());

  // The value of the graph's root. Errors: kCorrupt and kTruncated (malformed or lying descriptions),
  // kNotFound (missing storage), kUnsupported, kOverflow.
  Value read();

  // The storages that tensors stand on, by the number in StoredTensor; some entries are views of another one.
  const std::deque<StorageInfo>& storages() const { return storages_; }
  // The stored tensors behind an array or sparse value; empty for every other one.
  std::vector<StoredPart> parts_of(const Value& value) const;

  // ---- for the table of calls

  const ValueArena& arena() const { return arena_; }
  // The value of a node, or null after noting that it must be made first: the caller then returns nullopt and
  // is called again.
  const Value* get(pickle::Node node);
  // All of them, or nothing when some must be made first.
  std::optional<std::vector<Value>> get_all(pickle::NodeList nodes);
  // The value of a node, made now: for work put off with later().
  const Value& now(pickle::Node node);
  // Work to do once every value that is being made stands: filling containers, which may be cyclic.
  void later(std::function<void()> work) { later_.push_back(std::move(work)); }
  // Interprets a call; nullopt when something must be made first. `known` tells whether the table has it.
  std::optional<Value> make_call(const Call& call, bool& known);
  // The object as it stands, for a call that stands for nothing the table knows.
  std::optional<Value> inert(pickle::Node node) { return make_inert(node, false); }
  // The same with what BUILD gave it, already made: for those that others look into.
  std::optional<Value> inert_with_state(pickle::Node node) { return make_inert(node, true); }
  // The storage, or view of one, that a node stands for; Error kCorrupt when it does not.
  std::size_t storage(pickle::Node node);
  // A storage without elements that the file need not hold.
  std::size_t empty_storage(DType dtype);
  // A tensor whose elements stand in the pickle itself; `leaf` has everything but the array.
  Value tensor(const Array& content, TensorLeaf leaf);
  const StorageInfo& storage_info(std::size_t index) const { return storages_[index]; }
  // A value for the tensor; `leaf` has everything but the array. Over a view it becomes a tensor over the
  // whole storage.
  Value tensor(const pickle::Node& at, StoredTensor stored, TensorLeaf leaf);
  // Its parts by their roles. Error kCorrupt, at `at`, where the backend refuses those that do not fit.
  Value sparse(const pickle::Node& at, SparseLeaf leaf,
               const std::vector<std::pair<std::string, Value>>& parts);
  // Of an array value; nullopt when there is no array and no descriptions are kept.
  std::optional<TensorKind> kind_of(const Value& array) const;
  // What was made for these two nodes before, or what `make` makes: many tensors may be parts of like ones.
  std::shared_ptr<const ShardOf> shard_of(pickle::Node sizes, pickle::Node placements,
                                          const std::function<ShardOf()>& make);
  // Counts `bytes` that a value takes to copy what `source` holds. The first copy is free, since the file
  // holds as much; the others, which cost a file next to nothing, together keep to what the pickle's limit of
  // memory left. Error kLimit.
  void count_copy(pickle::Node source, std::uint64_t bytes);
  // The class or function that a node names; long names count as copies.
  Value global(pickle::Node node);
  // Remembers that `value` also stands on the tensors of `source`, under `role`.
  void copy_parts(const Value& value, const std::string& role, const Value& source);

 private:
  // A storage that is a view: elements from `first` on of another one.
  struct ViewOf {
    std::size_t storage = 0;
    std::int64_t first = 0;
  };

  void spend(pickle::Node source, std::uint64_t bytes);
  void count_object(pickle::Node node);
  std::size_t add_storage(const pickle::Node& at, StorageInfo info, std::optional<ViewOf> view);
  std::size_t storage_of(const pickle::Node& at, Referent referent);
  Value make_referent(pickle::Node node);
  std::optional<Value> make(pickle::Node node);
  std::optional<Value> make_object(pickle::Node node);
  std::optional<Value> make_inert(pickle::Node node, bool with_state);
  Value make_list(pickle::Node node);
  Value make_dict(pickle::Node node);
  void build(pickle::Node start);
  bool make_now(pickle::Node node);
  std::optional<Value> make_placed(pickle::Node node);

  const pickle::Graph& graph_;
  TensorBackend& backend_;
  const PersistentIds& ids_;
  bool keep_parts_;
  ValueArena arena_;
  std::vector<bool> copied_;  // by node id
  std::uint64_t spare_memory_;
  std::vector<std::uint32_t> slots_;  // by node id: kUnknown, kBuilding, or position in values_ + kReady
  std::deque<Value> values_;
  std::vector<pickle::Node> missing_;
  std::deque<std::function<void()>> later_;
  std::deque<StorageInfo> storages_;  // many: a vector would hold up to twice as much while it grows
  std::unordered_map<std::size_t, ViewOf> views_;
  HashIndex storage_index_;                         // of those that have keys
  std::unordered_map<std::string, Value> tensors_;  // of persistent ids that name tensors
  std::unordered_map<const void*, std::vector<StoredPart>> parts_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::shared_ptr<const ShardOf>> shards_;
};

// An entry set from a pickle: an unhashable key is the file's fault (Error kCorrupt).
void set_item_from(const pickle::Node& at, Value& dict, const Value& key, const Value& value);

}  // namespace sconce::checkpoint
