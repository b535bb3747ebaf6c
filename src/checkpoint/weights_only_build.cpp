// What BUILD and SETITEM do, and what a tensor's attributes may be.
#include <algorithm>

#include "checkpoint/weights_only_calls.h"
#include "sconce/base/text.h"

namespace sconce::checkpoint::weights_only {
namespace {

// Attributes of a tensor that cannot be set, or only to values of their own kind.
constexpr std::string_view kFixedAttributes[] = {
    "H",
    "T",
    "__class__",
    "__cuda_array_interface__",
    "__dict__",
    "__weakref__",
    "_base",
    "_cdata",
    "_grad",
    "_grad_fn",
    "_has_symbolic_sizes_strides",
    "_python_dispatch",
    "_version",
    "data",
    "device",
    "dtype",
    "grad",
    "grad_dtype",
    "grad_fn",
    "imag",
    "is_cpu",
    "is_cuda",
    "is_ipu",
    "is_leaf",
    "is_maia",
    "is_meta",
    "is_mkldnn",
    "is_mps",
    "is_mtia",
    "is_nested",
    "is_quantized",
    "is_sparse",
    "is_sparse_csr",
    "is_vulkan",
    "is_xla",
    "is_xpu",
    "itemsize",
    "layout",
    "mH",
    "mT",
    "name",
    "names",
    "nbytes",
    "ndim",
    "output_nr",
    "real",
    "requires_grad",
    "retains_grad",
    "shape",
};

}  // namespace

void Calls::set_item(Id target, Id key, Id value) {
  if (!values_.is_dict(target)) {
    refuse_(kTorch2_13, cat("it sets an item of ", values_.describe(target)));
    return set_old_item(target, key, value);
  }
  require(values_[key].hashable, cat("a dict has ", values_.describe(key), " as a key"));
  auto& items = values_.items(target);
  items.push_back(key);
  items.push_back(value);
}

// Before 2.13 lists and tensors took items, too.
void Calls::set_old_item(Id target, Id key, Id value) {
  const bool is_index = values_.is_int(key) || values_.is(key, Kind::kBool);
  const auto is_within = [&](std::int64_t size) {
    return is_index && values_[key].number < size && values_[key].number >= -size;
  };
  if (values_.is(target, Kind::kList)) {
    auto& items = values_.items(target);
    const auto size = static_cast<std::int64_t>(items.size());
    require(is_within(size), "it sets an item that a list does not have");
    const std::int64_t index = values_[key].number;
    items[static_cast<std::size_t>(index < 0 ? index + size : index)] = value;
    return;
  }
  const bool is_tensor = values_.is_tensor(target) && !values_.tensor(target).requires_grad;
  const auto& sizes = is_tensor ? values_.tensor(target).sizes : std::vector<std::int64_t>{};
  const bool is_place = values_.is(key, Kind::kNone) || values_.is(key, Kind::kBool) ||
                        (values_.is(key, Kind::kList) && values_.items(key).empty()) ||
                        (values_.is_int(key) && !sizes.empty() && is_within(sizes[0]));
  require(is_tensor && is_place && values_.is_number(value),
          cat("it sets an item of ", values_.describe(target)));
}

void Calls::build(Id instance, Id state) {
  switch (values_.kind(instance)) {
    case Kind::kTensor: {
      // Tensor.set_(storage, offset, sizes, strides), as old files have it, or set_().
      const auto args = values_.iterate(state);
      if (args && args->empty()) return;
      require(args && args->size() == 4 && values_.is((*args)[0], Kind::kStorage),
              "it sets up a tensor with something other than a storage and a place in it");
      const StorageFacts storage = values_.storage((*args)[0]);
      require(storage.dtype && storage.dtype == values_.tensor(instance).dtype,
              "it sets up a tensor with a storage of another dtype");
      view((*args)[1], (*args)[2], (*args)[3], storage.bytes, itemsize(*storage.dtype));
      return;
    }
    case Kind::kParameter: {
      const auto args = values_.iterate(state);
      require(args && args->size() >= 3 && args->size() <= 5, "it sets up a Parameter with an odd state");
      const TensorFacts& facts = values_.tensor(instance);
      require(args->size() != 4, "it sets up a Parameter with a storage");
      std::optional<DType> dtype = facts.dtype;
      if (args->size() == 5) {
        require(values_.is_tensor((*args)[0]), "it sets up a Parameter with something that is no tensor");
        dtype = values_.tensor((*args)[0]).dtype;
      }
      require_grad_flag((*args)[args->size() == 5 ? 3 : 0], dtype);
      return;
    }
    case Kind::kOrderedDict:
      return require_pairs(state);
    default:
      break;
  }
  refuse_(kTorch1_13, cat("it sets up ", values_.describe(instance)));
  Id dict = state;
  Id slots = values_.none();
  if (values_.is(state, Kind::kTuple) && values_.items(state).size() == 2) {
    dict = values_.items(state)[0];
    slots = values_.items(state)[1];
  }
  switch (values_.kind(instance)) {
    case Kind::kCounter:
      if (values_.is_true(dict)) require_pairs(dict);
      require(!values_.is_true(slots) || values_.is_dict(slots), "it sets up a Counter with odd slots");
      return;
    case Kind::kSet:
    case Kind::kByteArray:
    case Kind::kComplex:
    case Kind::kSize:
    case Kind::kDevice:
      require(!values_.is_true(dict) && !values_.is_true(slots),
              cat("it sets attributes of ", values_.describe(instance)));
      return;
    default:
      fail(cat("it sets up ", values_.describe(instance)));
  }
}

void Calls::set_attributes(Id target, Id state) {
  if (!values_.is_true(state)) return;
  require(values_.is_dict(state), cat("a tensor has ", values_.describe(state), " for its attributes"));
  const auto items = values_.copy_items(state);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    require(values_.is(items[i], Kind::kString), "an attribute's name is not a string");
    const std::string_view name = values_[items[i]].text;
    if (std::find(std::begin(kFixedAttributes), std::end(kFixedAttributes), name) ==
        std::end(kFixedAttributes)) {
      continue;
    }
    const Id value = items[i + 1];
    if (name == "requires_grad") {
      require_grad_flag(value, values_.tensor(target).dtype);
      continue;
    }
    const bool may_be_none = name == "grad" || name == "_grad" || name == "names";
    require(may_be_none && values_.is(value, Kind::kNone),
            cat("it sets the attribute '", escaped(name), "' of a tensor"));
  }
}

// torch._utils._set_obj_state: a dict, or a dict and slots.
void Calls::set_object_state(Id target, Id state) {
  if (!values_.is(state, Kind::kTuple) && !values_.is(state, Kind::kSize))
    return set_attributes(target, state);
  require(values_.items(state).size() == 2, "a tensor's attributes come in an odd form");
  const Id dict = values_.items(state)[0];
  const Id slots = values_.items(state)[1];
  set_attributes(target, dict);
  set_attributes(target, slots);
}

}  // namespace sconce::checkpoint::weights_only
