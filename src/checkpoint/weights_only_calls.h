// Whether the calls succeed that the restricted unpickler makes, and what they give: the allowed functions
// and classes as PyTorch has them, over kinds and shapes instead of data.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "checkpoint/weights_only_values.h"

namespace sconce::checkpoint::weights_only {

// Tells that some versions stop here, and why. Throws when no version is left that reads on.
using Refuse = std::function<void(Versions, const std::string&)>;

class Calls {
 public:
  // `has_late_storages`: storages are filled after the pickle was read, as in legacy streams.
  Calls(Values& values, Refuse refuse, bool has_late_storages)
      : values_(values), refuse_(std::move(refuse)), has_late_storages_(has_late_storages) {}

  Id reduce(Id callee, Id args);
  Id new_object(Id callee, Id args);
  void build(Id instance, Id state);
  void set_item(Id target, Id key, Id value);

 private:
  using Args = std::span<const Id>;

  [[noreturn]] void fail(const std::string& text) const;
  void require(bool condition, const std::string& text) const {
    if (!condition) fail(text);
  }
  void require_count(const Allowed& row, Args args, std::size_t least, std::size_t most) const;

  Id call(const Allowed& row, Args args, int depth);
  Id call_python(const Allowed& row, Args args);
  Id make_ordered_dict(Args args);
  Id make_counter(Args args);
  Id make_set(Args args);
  Id make_bytearray(Args args);
  Id make_complex(Args args);
  Id encode(Args args);
  Id make_size(Args args);
  Id make_device(Args args);
  Id get_layout(Args args);

  Id make_tensor(const Allowed& row, Args args);
  Id make_sparse_type(const Allowed& row, Args args);
  Id make_storage(const Allowed& row, Args args);
  Id make_parameter(Args args);
  Id rebuild_tensor(const Allowed& row, Args args);
  Id rebuild_tensor_v3(Args args);
  Id rebuild_parameter(const Allowed& row, Args args);
  Id rebuild_sparse(Args args);
  Id rebuild_compressed(Args data, bool csr_only);
  Id rebuild_meta(Args args);
  Id rebuild_quantized(Args args);
  Id rebuild_nested(Args args);
  Id rebuild_from_cpu(Args args);
  Id rebuild_from_type(Args args, int depth);

  // The sizes of the view; refuses what does not lie within `bytes` of elements of `itemsize`.
  std::vector<std::int64_t> view(Id offset, Id sizes, Id strides, std::int64_t bytes,
                                 std::size_t itemsize) const;
  bool require_grad_flag(Id flag, std::optional<DType> dtype) const;
  void require_pairs(Id pairs) const;
  bool gives_values(Id id) const;
  void set_old_item(Id target, Id key, Id value);
  std::optional<std::vector<std::int64_t>> nested_sizes(Id sequence, int depth) const;
  void check_metadata(Id metadata, std::optional<DType> dtype) const;
  void set_object_state(Id target, Id state);
  void set_attributes(Id target, Id state);

  Values& values_;
  Refuse refuse_;
  bool has_late_storages_;
};

}  // namespace sconce::checkpoint::weights_only
