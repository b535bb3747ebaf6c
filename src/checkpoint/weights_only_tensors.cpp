// The torch side: tensors, storages, parameters (formats.md B.4).
#include <algorithm>

#include "checkpoint/weights_only_calls.h"
#include "sconce/base/text.h"

namespace sconce::checkpoint::weights_only {
namespace {

constexpr std::int64_t kMostElements = std::int64_t{1} << 40;  // nobody has the memory
constexpr int kDeepestCall = 200;                              // of functions that call functions

bool may_require_grad(std::optional<DType> dtype) {
  return dtype && (is_floating(*dtype) || is_complex(*dtype));
}

}  // namespace

bool Calls::require_grad_flag(Id flag, std::optional<DType> dtype) const {
  require(values_.is(flag, Kind::kBool), cat("requires_grad is ", values_.describe(flag), ", not a bool"));
  const bool wanted = values_[flag].number != 0;
  require(!wanted || may_require_grad(dtype), "a tensor that has no gradient asks for one");
  return wanted;
}

std::vector<std::int64_t> Calls::view(Id offset, Id sizes, Id strides, std::int64_t bytes,
                                      std::size_t itemsize) const {
  const auto shape = values_.ints(sizes);
  const auto steps = values_.ints(strides);
  require(values_.is_int(offset) && shape && steps, "a tensor's place in its storage is not given in ints");
  require(shape->size() == steps->size(), "a tensor has more sizes than strides, or fewer");
  std::int64_t last = values_[offset].number;
  bool lies_inside = last >= 0;
  bool is_empty = false;
  for (std::size_t i = 0; i < shape->size(); ++i) {
    lies_inside = lies_inside && (*shape)[i] >= 0 && (*steps)[i] >= 0;
    is_empty = is_empty || (*shape)[i] == 0;
  }
  const std::int64_t elements = bytes / static_cast<std::int64_t>(itemsize);
  for (std::size_t i = 0; lies_inside && !is_empty && i < shape->size(); ++i) {
    std::int64_t reach = 0;
    lies_inside = !__builtin_mul_overflow((*shape)[i] - 1, (*steps)[i], &reach) &&
                  !__builtin_add_overflow(last, reach, &last);
  }
  require(lies_inside && (is_empty || last < elements), "a tensor reaches beyond its storage");
  return *shape;
}

// The shape of numbers in lists of lists; nullopt when they are ragged or something else stands there.
std::optional<std::vector<std::int64_t>> Calls::nested_sizes(Id sequence, int depth) const {
  constexpr int kDeepest = 32;
  if (!values_.is_sequence(sequence) || depth > kDeepest) return std::nullopt;
  std::optional<std::vector<std::int64_t>> inner;
  const auto items = values_.copy_items(sequence);
  for (const Id item : items) {
    const auto sizes = values_.is_number(item) ? std::vector<std::int64_t>{} : nested_sizes(item, depth + 1);
    if (!sizes || (inner && *inner != *sizes)) return std::nullopt;
    inner = sizes;
  }
  std::vector<std::int64_t> out{static_cast<std::int64_t>(items.size())};
  if (inner) out.insert(out.end(), inner->begin(), inner->end());
  return out;
}

Id Calls::make_tensor(const Allowed& row, Args args) {
  TensorFacts facts;
  facts.dtype = row.dtype.value_or(kFloat32);
  if (args.empty()) {
    facts.sizes = {0};
    return values_.tensor(Kind::kTensor, std::move(facts));
  }
  // The first size must be an int, after it a bool will do.
  const auto is_size = [&](const Id& id) {
    return (values_.is_int(id) || (values_.is(id, Kind::kBool) && &id != args.data())) &&
           values_[id].number >= 0;
  };
  if (args.size() == 1 && values_.is_tensor(args[0])) {
    facts = values_.tensor(args[0]);
    require(row.callee == Callee::kTensor || facts.dtype == row.dtype,
            "it makes a tensor of one of another dtype");
    return values_.tensor(Kind::kTensor, std::move(facts));
  }
  const bool is_untyped = values_.is(args[0], Kind::kUntypedStorage);
  if (args.size() == 1 && (is_untyped || values_.is(args[0], Kind::kStorage))) {
    const StorageFacts storage = values_.storage(args[0]);
    require(is_untyped || storage.dtype == facts.dtype, "it makes a tensor of a storage of another dtype");
    facts.sizes = {storage.bytes / static_cast<std::int64_t>(itemsize(*facts.dtype))};
    return values_.tensor(Kind::kTensor, std::move(facts));
  }
  if (std::all_of(args.begin(), args.end(), is_size)) {
    for (const Id arg : args) facts.sizes.push_back(values_[arg].number);
  } else if (args.size() == 1 && values_.is(args[0], Kind::kSize)) {
    facts.sizes = values_.ints(args[0]).value_or(std::vector<std::int64_t>{-1});
  } else {
    const auto sizes = args.size() == 1 ? nested_sizes(args[0], 0) : std::nullopt;
    require(sizes.has_value(), cat("it calls ", row.path, " with odd arguments"));
    facts.sizes = *sizes;
  }
  std::int64_t elements = 1;
  for (const std::int64_t size : facts.sizes) {
    require(size >= 0 && !__builtin_mul_overflow(elements, size, &elements) && elements < kMostElements,
            "it makes a tensor that is too large");
  }
  return values_.tensor(Kind::kTensor, std::move(facts));
}

Id Calls::make_sparse_type(const Allowed& row, Args args) {
  TensorFacts facts;
  facts.dtype = row.dtype;
  const bool sizes_only = std::all_of(
      args.begin(), args.end(), [this](Id id) { return values_.is_int(id) && values_[id].number >= 0; });
  if (sizes_only || (args.size() == 1 && values_.is(args[0], Kind::kSize))) {
    return values_.tensor(Kind::kTensor, std::move(facts));
  }
  require(args.size() == 2 || args.size() == 3, cat("it calls ", row.path, " with odd arguments"));
  require(values_.is_tensor(args[1]) && values_.tensor(args[1]).dtype == row.dtype,
          "a sparse tensor has values of another dtype than its own");
  std::vector<Id> data(args.begin(), args.end());
  const Id coo = rebuild_compressed(data, false);
  facts.sizes = values_.tensor(coo).sizes;
  return values_.tensor(Kind::kTensor, std::move(facts));
}

Id Calls::make_storage(const Allowed& row, Args args) {
  const bool is_untyped = row.callee == Callee::kUntypedStorage;
  if (row.callee == Callee::kStorageClass) {
    refuse_(kTorch2, cat("it calls ", row.path, ", which is not a function"));
    require(!row.path.starts_with("torch.cuda."), cat("it calls ", row.path, ", which needs a GPU"));
  }
  require(args.size() <= 1, cat("it calls ", row.path, " with ", args.size(), " arguments"));
  StorageFacts facts;
  if (!is_untyped) facts.dtype = row.dtype.value_or(kFloat32);
  std::int64_t count = 0;
  if (!args.empty() && (values_.is_int(args[0]) || (!is_untyped && values_.is(args[0], Kind::kBool)))) {
    count = values_[args[0]].number;
  } else if (!args.empty() && is_untyped) {
    const auto items =
        values_.is_dict(args[0]) || values_.is(args[0], Kind::kSet) ? std::nullopt : values_.iterate(args[0]);
    require(items && std::all_of(items->begin(), items->end(), [this](Id id) { return values_.is_int(id); }),
            cat("it makes a storage of ", values_.describe(args[0])));
    count = static_cast<std::int64_t>(items->size());
  } else if (!args.empty()) {
    const auto sizes = nested_sizes(args[0], 0);
    require(sizes.has_value(), cat("it makes a storage of ", values_.describe(args[0])));
    count = 1;
    for (const std::int64_t size : *sizes) {
      require(!__builtin_mul_overflow(count, size, &count), "it makes a storage that is too large");
    }
  }
  require(count >= 0 && count < kMostElements, "it makes a storage that is too large");
  facts.bytes = count * static_cast<std::int64_t>(itemsize(facts.dtype.value_or(kUInt8)));
  return values_.storage(is_untyped ? Kind::kUntypedStorage : Kind::kStorage, facts);
}

Id Calls::make_parameter(Args args) {
  require(args.size() <= 2, cat("it makes a Parameter with ", args.size(), " arguments"));
  TensorFacts facts;
  facts.dtype = kFloat32;
  facts.sizes = {0};
  if (!args.empty() && !values_.is(args[0], Kind::kNone)) {
    require(values_.is_tensor(args[0]), cat("it makes a Parameter of ", values_.describe(args[0])));
    facts = values_.tensor(args[0]);
  }
  facts.requires_grad = true;
  if (args.size() == 2) {
    facts.requires_grad = require_grad_flag(args[1], facts.dtype);
  } else {
    require(may_require_grad(facts.dtype), "a Parameter that has no gradient asks for one");
  }
  return values_.tensor(Kind::kParameter, std::move(facts));
}

void Calls::check_metadata(Id metadata, std::optional<DType> dtype) const {
  if (!values_.is_true(metadata)) return;
  require(values_.is_dict(metadata),
          cat("a tensor's flags are ", values_.describe(metadata), ", not a dict"));
  const auto items = values_.copy_items(metadata);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    require(values_.is(items[i], Kind::kString), "the name of a tensor's flag is not a string");
    require(values_.is(items[i + 1], Kind::kBool), "a tensor's flag is not a bool");
    require(values_[items[i]].text != "conj" || (dtype && is_complex(*dtype)),
            "a tensor that is not complex is a conjugate view");
  }
}

Id Calls::rebuild_tensor(const Allowed& row, Args args) {
  const bool is_v2 = row.callee == Callee::kRebuildTensorV2;
  require_count(row, args, is_v2 ? 6 : 4, is_v2 ? 7 : 4);
  require(values_.is(args[0], Kind::kStorage),
          cat("a tensor has ", values_.describe(args[0]), " for its storage"));
  const StorageFacts storage = values_.storage(args[0]);
  require(storage.dtype && !is_quantized(*storage.dtype), "a quantized tensor is made as a plain one");
  TensorFacts facts;
  facts.dtype = storage.dtype;
  facts.sizes = view(args[1], args[2], args[3], storage.bytes, itemsize(*storage.dtype));
  if (is_v2) {
    if (args.size() == 7) {
      refuse_(kTorch1_13, "a tensor is conjugated or negated, which came with 2.x");
      check_metadata(args[6], storage.dtype);
    }
    facts.requires_grad = require_grad_flag(args[4], storage.dtype);
  }
  return values_.tensor(Kind::kTensor, std::move(facts));
}

Id Calls::rebuild_tensor_v3(Args args) {
  require(args.size() == 7 || args.size() == 8, "a tensor is made with an odd number of arguments");
  require(values_.is(args[0], Kind::kStorage),
          cat("a tensor has ", values_.describe(args[0]), " for its storage"));
  const bool is_default = values_.is(args[6], Kind::kNone);
  require(is_default ||
              (values_.is(args[6], Kind::kCallable) && values_.allowed(args[6]).callee == Callee::kDType),
          cat("a tensor has ", values_.describe(args[6]), " for its dtype"));
  const std::optional<DType> dtype = is_default ? std::optional(kFloat32) : values_.allowed(args[6]).dtype;
  require(!dtype || !is_quantized(*dtype), "a quantized tensor is made as a plain one");
  TensorFacts facts;
  facts.dtype = dtype;
  // Shell types such as uint1 have elements of one byte.
  facts.sizes = view(args[1], args[2], args[3], values_.storage(args[0]).bytes, dtype ? itemsize(*dtype) : 1);
  if (!values_.is(args[4], Kind::kNone)) {
    // set_() is an in-place change, and these refuse it.
    require(!require_grad_flag(args[4], dtype), "a tensor of this form cannot require a gradient");
  }
  if (args.size() == 8) check_metadata(args[7], dtype);
  return values_.tensor(Kind::kTensor, std::move(facts));
}

Id Calls::rebuild_parameter(const Allowed& row, Args args) {
  const bool has_state = row.callee == Callee::kRebuildParameterWithState;
  require_count(row, args, has_state ? 4 : 3, has_state ? 4 : 3);
  const Id parameter = make_parameter(args.first(2));
  if (has_state) set_object_state(parameter, args[3]);
  return parameter;
}

Id Calls::rebuild_sparse(Args args) {
  require(values_.is(args[0], Kind::kLayout),
          cat("a sparse tensor has ", values_.describe(args[0]), " for its layout"));
  const std::string_view layout = values_[args[0]].text;
  auto data = values_.iterate(args[1]);
  require(data.has_value(), "a sparse tensor has no parts");
  if (layout != "torch.sparse_coo") {
    refuse_(kTorch1_13, cat("it makes a sparse tensor of the layout ", layout));
    require(layout == "torch.sparse_csr" || layout == "torch.sparse_csc" || layout == "torch.sparse_bsr" ||
                layout == "torch.sparse_bsc",
            cat("it makes a sparse tensor of the layout ", layout));
    require(data->size() == 4, "a sparse tensor needs four parts");
    return rebuild_compressed(*data, true);
  }
  if (data->size() == 4) {
    refuse_(kTorch1_13, "a sparse tensor says whether it is coalesced, which came with 2.x");
    require(values_.is((*data)[3], Kind::kNone) || values_.is((*data)[3], Kind::kBool),
            "a sparse tensor is coalesced in an odd way");
    data->pop_back();
  }
  require(data->size() == 3, "a sparse tensor needs three or four parts");
  return rebuild_compressed(*data, false);
}

// Parts of a sparse tensor: indices, values and, of COO perhaps, a size; of compressed ones two sets of
// indices.
Id Calls::rebuild_compressed(Args data, bool is_compressed) {
  const std::size_t indices = is_compressed ? 2 : 1;
  for (std::size_t i = 0; i <= indices; ++i) {
    require(values_.is_tensor(data[i]),
            cat("a sparse tensor has ", values_.describe(data[i]), " for one of its parts"));
  }
  const TensorFacts& values = values_.tensor(data[indices]);
  for (std::size_t i = 0; i < indices; ++i) {
    const auto dtype = values_.tensor(data[i]).dtype;
    require(dtype == kInt64 || (is_compressed && dtype == kInt32),
            "a sparse tensor has indices that are not int64");
  }
  TensorFacts facts;
  facts.dtype = values.dtype;
  if (data.size() > indices + 1) {
    const auto sizes = values_.ints(data[indices + 1]);
    require(sizes.has_value(), "a sparse tensor's size is not given in ints");
    facts.sizes = *sizes;
  }
  if (!is_compressed) {
    const TensorFacts& places = values_.tensor(data[0]);
    const bool fits = places.sizes.size() == 2 && !values.sizes.empty() &&
                      places.sizes[1] == values.sizes[0] &&
                      (data.size() == 2 || facts.sizes.size() == static_cast<std::size_t>(places.sizes[0]) +
                                                                     values.sizes.size() - 1);
    require(fits, "the parts of a sparse tensor do not fit each other");
  }
  return values_.tensor(Kind::kTensor, std::move(facts));
}

Id Calls::rebuild_meta(Args args) {
  const bool is_default = values_.is(args[0], Kind::kNone);
  require(is_default ||
              (values_.is(args[0], Kind::kCallable) && values_.allowed(args[0]).callee == Callee::kDType),
          cat("a tensor has ", values_.describe(args[0]), " for its dtype"));
  TensorFacts facts;
  facts.dtype = is_default ? std::optional(kFloat32) : values_.allowed(args[0]).dtype;
  require(!facts.dtype || !is_quantized(*facts.dtype), "a quantized tensor is made as a plain one");
  const auto sizes = values_.ints(args[1]);
  const auto strides = values_.ints(args[2]);
  require(sizes && strides && sizes->size() == strides->size(), "a tensor's sizes and strides do not fit");
  std::int64_t elements = 1;
  for (const std::int64_t size : *sizes) {
    require(size >= 0 && !__builtin_mul_overflow(elements, size, &elements), "a tensor has impossible sizes");
  }
  facts.sizes = *sizes;
  if (!values_.is(args[3], Kind::kNone)) facts.requires_grad = require_grad_flag(args[3], facts.dtype);
  return values_.tensor(Kind::kTensor, std::move(facts));
}

Id Calls::rebuild_quantized(Args args) {
  require(values_.is(args[0], Kind::kStorage),
          cat("a tensor has ", values_.describe(args[0]), " for its storage"));
  const StorageFacts storage = values_.storage(args[0]);
  require(storage.dtype && is_quantized(*storage.dtype),
          "a quantized tensor has a storage that is not quantized");
  require(values_.is_sequence(args[4]) && !values_.items(args[4]).empty(),
          "a quantized tensor has no parameters");
  const auto parameters = values_.copy_items(args[4]);
  require(values_.is(parameters[0], Kind::kCallable) &&
              values_.allowed(parameters[0]).callee == Callee::kQScheme &&
              values_.allowed(parameters[0]).loadable_scheme,
          "a quantized tensor has a scheme that cannot be loaded");
  TensorFacts facts;
  facts.dtype = storage.dtype;
  // Several values may share a byte; the storage counts bytes.
  facts.sizes = view(args[1], args[2], args[3], storage.bytes * values_per_byte(*storage.dtype),
                     itemsize(*storage.dtype));
  if (!values_.allowed(parameters[0]).per_channel) {
    require(parameters.size() == 3 && values_.is_number(parameters[1]) && values_.is_int(parameters[2]),
            "a quantized tensor has an odd scale or zero point");
  } else {
    require(parameters.size() == 4 && values_.is_int(parameters[3]), "a quantized tensor has odd parameters");
    const std::int64_t axis = values_[parameters[3]].number;
    require(axis >= 0 && axis < static_cast<std::int64_t>(facts.sizes.size()),
            "a quantized tensor has an axis that it does not have");
    for (const Id part : {parameters[1], parameters[2]}) {
      const bool is_list = values_.is(part, Kind::kList);
      require(is_list || values_.is_tensor(part), "a quantized tensor has odd scales or zero points");
      const auto count = is_list ? static_cast<std::int64_t>(values_.items(part).size())
                         : values_.tensor(part).sizes.empty() ? 1
                                                              : values_.tensor(part).sizes[0];
      require(count == facts.sizes[static_cast<std::size_t>(axis)],
              "a quantized tensor has scales or zero points of another number than its channels");
    }
    require(values_.kind(parameters[1]) == values_.kind(parameters[2]),
            "a quantized tensor has odd scales or zero points");
  }
  require_grad_flag(args[5], facts.dtype);
  return values_.tensor(Kind::kTensor, std::move(facts));
}

// PyTorch looks at the sizes at once, whatever then stands in the memory of their storage.
Id Calls::rebuild_nested(Args args) {
  require(!has_late_storages_, "it makes a nested tensor of sizes that a legacy stream holds further on");
  for (std::size_t i = 0; i < args.size(); ++i) {
    require(values_.is_tensor(args[i]),
            cat("a nested tensor has ", values_.describe(args[i]), " for one of its parts"));
    require(i == 0 || values_.tensor(args[i]).dtype == kInt64,
            "a nested tensor has sizes that are not int64");
  }
  require(values_.tensor(args[0]).sizes.size() == 1 && values_.tensor(args[1]).sizes.size() == 2 &&
              values_.tensor(args[2]).sizes.size() == 2 && values_.tensor(args[3]).sizes.size() == 1,
          "the parts of a nested tensor do not fit each other");
  TensorFacts facts;
  facts.dtype = values_.tensor(args[0]).dtype;
  return values_.tensor(Kind::kTensor, std::move(facts));
}

Id Calls::rebuild_from_cpu(Args args) {
  require(values_.is_tensor(args[0]), cat("a device tensor is made of ", values_.describe(args[0])));
  const bool keeps_dtype = values_.is(args[1], Kind::kNone);
  require(keeps_dtype ||
              (values_.is(args[1], Kind::kCallable) && values_.allowed(args[1]).callee == Callee::kDType),
          cat("a tensor has ", values_.describe(args[1]), " for its dtype"));
  // The device gives way to map_location.
  TensorFacts facts = values_.tensor(args[0]);
  if (!keeps_dtype) facts.dtype = values_.allowed(args[1]).dtype;
  facts.requires_grad = require_grad_flag(args[3], facts.dtype);
  return values_.tensor(Kind::kTensor, std::move(facts));
}

Id Calls::rebuild_from_type(Args args, int depth) {
  require(depth < kDeepestCall, "calls are nested too deeply");
  require(values_.is(args[0], Kind::kCallable), cat("it calls ", values_.describe(args[0])));
  const auto inner = values_.iterate(args[2]);
  require(inner.has_value(), cat("it calls a function with ", values_.describe(args[2]), " for arguments"));
  const Id made = call(values_.allowed(args[0]), *inner, depth + 1);
  require(values_.is_tensor(made), cat("it gives a class to ", values_.describe(made)));
  require(values_.is(args[1], Kind::kCallable),
          cat("it gives a tensor ", values_.describe(args[1]), " for its class"));
  const Callee cls = values_.allowed(args[1]).callee;
  require(cls == Callee::kTensor || cls == Callee::kParameter,
          "it gives a tensor a class that is not one of tensors");
  const Id result =
      values_.tensor(cls == Callee::kTensor ? Kind::kTensor : Kind::kParameter, values_.tensor(made));
  set_object_state(result, args[3]);
  return result;
}

}  // namespace sconce::checkpoint::weights_only
