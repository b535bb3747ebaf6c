// Spells a Value as the pickle that torch.save would write for it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/kept_keys.h"
#include "checkpoint/writable.h"
#include "sconce/checkpoint/save.h"
#include "sconce/codec/pickle_names.h"
#include "sconce/codec/pickle_writer.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

// A storage to be written under `key`.
struct PlannedStorage {
  std::string key;
  Storage storage;
  std::uint64_t bytes = 0;
  DType dtype = kUInt8;  // of its elements, as its class says; uint8 for UntypedStorage
};

inline pickle::Identity identity_of(const Value& value) {
  return reinterpret_cast<pickle::Identity>(value.id());
}

class ValueWriter {
 public:
  // Warnings about what is left out go to `report`.
  ValueWriter(const SaveOptions& options, SaveReport& report)
      : options_(options),
        report_(report),
        writable_(options.keep_objects ? Trust::kInert : Trust::kPlain, options.walk) {}

  // The pickle of `root`. Errors: kUnsupported (a value no pickle of torch.save can hold), kInvalidArgument.
  std::vector<std::byte> write(const Value& root);
  // The storages that the pickle refers to, in order of first use.
  const std::vector<PlannedStorage>& storages() const { return storages_; }

 private:
  // What to write when the values of a frame are done.
  enum class After : std::uint8_t {
    kNothing,
    kTuple,           // TUPLE of the values
    kSet,             // the list of a set becomes set(list)
    kAttributes,      // an OrderedDict's attributes follow
    kBuild,           // BUILD with the dict just filled
    kRebuild,         // the arguments of a rebuild function are complete
    kObjectCall,      // REDUCE or NEWOBJ
    kObjectElements,  // the object's items follow
    kObjectItems,     // the object's states follow
    kObjectState,     // BUILD, and the next state
  };
  struct Frame {
    After after;
    Value owner;
    std::vector<Value> values;  // of a dict: key, value, key, value, ...
    std::optional<pickle::Batches> batches;
    std::size_t per_item = 1;
    std::size_t next = 0;
  };
  using Source = pickle::Batches::Source;

  void push(After after, const Value& owner, std::vector<Value> values);
  void push_list(After after, const Value& owner, std::vector<Value> values, Source source);
  void push_dict(After after, const Value& owner, std::vector<Value::Pair> pairs, Source source);
  void push_state_dict(After after, const Value& owner,
                       std::vector<std::pair<std::string, Value>> attributes);
  void run();
  void finish(const Frame& frame);
  std::string path() const;

  void emit(const Value& value);
  void emit_fresh(const Value& value);
  void emit_bytes(const Value& value);
  void emit_dict(const Value& value);
  void emit_object(const Value& value);
  void emit_states(const Value& value, std::size_t first);

  // Tensors (value_writer_tensor.cpp).
  using Attributes = std::vector<std::pair<std::string, Value>>;
  void emit_tensor(const Value& value);
  pickle::QualifiedName class_of(Attributes& attributes);
  void rebuilt(const Value& value, bool requires_grad);
  void arguments(const Value& value, bool requires_grad);
  void dense(const TensorLeaf& leaf, bool requires_grad);
  void dense_arguments(const TensorLeaf& leaf, bool requires_grad);
  void device_arguments(const TensorLeaf& leaf, bool requires_grad);
  void sparse_arguments(const SparseLeaf& leaf);
  std::string_view function_of(const Value& value) const;
  bool is_copied(const Value& value) const;
  void quantization(const Quantization& parameters, const std::string& device);
  void bare_storage(const TensorLeaf& leaf);
  void storage_id(const Array& array, const std::string& device, bool is_untyped = false);
  void dims(const Dims& dims);
  void hooks();

  // False for an object that must be left out.
  bool keeps(const Value& value);
  void note_left_out(const Value& value, const std::string& place);
  std::vector<Value> kept(std::vector<Value> values, bool fill_with_none);
  std::vector<Value::Pair> kept(const std::vector<Value::Pair>& pairs);

  SaveOptions options_;
  SaveReport& report_;
  pickle::Writer out_;
  std::vector<Frame> frames_;
  std::vector<PlannedStorage> storages_;
  std::map<std::pair<const void*, std::string_view>, std::size_t> storage_index_;  // by block and class
  Writability writable_;
  KeptKeys keeps_key_{writable_};
};

}  // namespace sconce::checkpoint
