// What the restricted unpickler's stack holds, as far as it decides what is accepted: kinds of Python values,
// their items, and the shapes of tensors. No data.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/weights_only_rules.h"

namespace sconce::checkpoint::weights_only {

enum class Kind : std::uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kBytes,
  kByteArray,
  kComplex,
  kTuple,
  kSize,  // torch.Size, a tuple
  kList,
  kDict,
  kOrderedDict,
  kCounter,
  kSet,
  kCallable,  // an allowed global
  kTensor,
  kParameter,
  kStorage,         // torch.storage.TypedStorage
  kUntypedStorage,  // torch.storage.UntypedStorage
  kDevice,
  kLayout,
};

using Id = std::uint32_t;

struct Item {
  Kind kind = Kind::kNone;
  bool hashable = true;
  bool is_big = false;         // kInt outside int64
  std::uint32_t side = 0;      // index into the list that its kind has
  std::int64_t number = 0;     // kBool, kInt; bytes of kBytes and kByteArray
  std::string_view text = {};  // kString, kLayout
};

struct TensorFacts {
  std::optional<DType> dtype;
  std::vector<std::int64_t> sizes;
  bool requires_grad = false;
};

struct StorageFacts {
  std::optional<DType> dtype;
  std::int64_t bytes = 0;
};

class Values {
 public:
  // `budget`: how many items containers may hold and walks may visit together. Error kLimit.
  explicit Values(std::size_t budget) : budget_(budget + 1'000'000) {}

  const Item& operator[](Id id) const { return items_[id]; }
  Kind kind(Id id) const { return items_[id].kind; }
  bool is(Id id, Kind kind) const { return items_[id].kind == kind; }

  Id none() { return shared(none_, {Kind::kNone}); }
  Id boolean(bool value) {
    return shared(booleans_[value ? 1 : 0], {Kind::kBool, true, false, 0, value ? 1 : 0});
  }
  Id real(double value) { return add({Kind::kFloat, true, false, 0, value != 0 ? 1 : 0}); }
  Id integer(std::int64_t value) { return add({Kind::kInt, true, false, 0, value}); }
  Id big_integer() { return add({Kind::kInt, true, true}); }
  Id plain(Kind kind) { return add({kind, kind != Kind::kByteArray}); }
  Id text(Kind kind, std::string_view text) { return add({kind, true, false, 0, 0, text}); }
  Id bytes(Kind kind, std::int64_t size) { return add({kind, kind == Kind::kBytes, false, 0, size}); }
  Id callable(const Allowed* row);
  Id tensor(Kind kind, TensorFacts facts);
  Id storage(Kind kind, StorageFacts facts);
  // A container of `items`; pairs of a dict one after the other.
  Id container(Kind kind, std::vector<Id> items);

  std::vector<Id>& items(Id container) { return lists_[items_[container].side]; }
  std::span<const Id> items(Id container) const { return lists_[items_[container].side]; }
  std::vector<Id> copy_items(Id container) const;  // charged to the budget
  const Allowed& allowed(Id callable) const { return *rows_[items_[callable].side]; }
  const TensorFacts& tensor(Id id) const { return tensors_[items_[id].side]; }
  const StorageFacts& storage(Id id) const { return storages_[items_[id].side]; }

  bool is_dict(Id id) const;      // dict and its subclasses
  bool is_sequence(Id id) const;  // list, tuple, torch.Size
  bool is_tensor(Id id) const { return is(id, Kind::kTensor) || is(id, Kind::kParameter); }
  bool is_int(Id id) const { return is(id, Kind::kInt) && !items_[id].is_big; }
  bool is_number(Id id) const;  // bool, int, float
  bool is_true(Id id) const;    // Python's truth of it
  // What iterating over it gives; nullopt when it cannot be iterated, or not without its data.
  std::optional<std::vector<Id>> iterate(Id id) const;
  // The ints of a list or tuple; nullopt when it is neither or holds something else. bool counts when asked.
  std::optional<std::vector<std::int64_t>> ints(Id id, bool bool_counts = false) const;
  // "a list", "a tensor", "torch.Size": for messages.
  std::string describe(Id id) const;

 private:
  Id add(Item item);
  void charge(std::size_t items) const;
  Id shared(std::optional<Id>& slot, Item item);

  mutable std::size_t budget_;
  std::vector<Item> items_;
  std::vector<std::vector<Id>> lists_;
  std::vector<const Allowed*> rows_;
  std::vector<TensorFacts> tensors_;
  std::vector<StorageFacts> storages_;
  std::optional<Id> none_;
  std::optional<Id> booleans_[2];
};

}  // namespace sconce::checkpoint::weights_only
