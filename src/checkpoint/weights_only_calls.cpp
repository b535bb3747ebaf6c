// The Python side: containers, bytes, torch.Size, torch.device, and what BUILD, SETITEM and NEWOBJ do. Facts
// as in formats.md B.7 and B.10, each compared with PyTorch by tests/torch/test_verify.py.
#include "checkpoint/weights_only_calls.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

#include "sconce/base/text.h"

namespace sconce::checkpoint::weights_only {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;  // nobody has the memory

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

bool is_device_text(std::string_view text, bool has_index) {
  static constexpr std::string_view kTypes[] = {
      "cpu",  "cuda", "ipu", "xpu",  "mkldnn", "opengl", "opencl", "ideep", "hip",  "ve",
      "fpga", "maia", "xla", "lazy", "vulkan", "mps",    "meta",   "hpu",   "mtia", "privateuseone"};
  const std::size_t colon = text.find(':');
  const std::string_view type = text.substr(0, colon);
  if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes)) return false;
  if (colon == std::string_view::npos) return true;
  const std::string_view index = text.substr(colon + 1);
  int number = 0;
  const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), number);
  const bool is_number = error == std::errc() && end == index.data() + index.size() && number >= 0;
  return !has_index && is_number && (index.size() == 1 || index[0] != '0');
}

// The highest code point of well-formed UTF-8; surrogates count as what they are.
char32_t highest_character(std::string_view text) {
  char32_t highest = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    char32_t code = length == 1 ? lead : lead & (0xFFu >> (length + 1));
    for (std::size_t k = 1; k < length && i + k < text.size(); ++k) {
      code = (code << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    }
    highest = std::max(highest, code);
    i += length;
  }
  return highest;
}

}  // namespace

void Calls::fail(const std::string& text) const {
  refuse_(kEvery, text);
  throw std::logic_error("a refusal of every version must not return");
}

void Calls::require_count(const Allowed& row, Args args, std::size_t least, std::size_t most) const {
  require(args.size() >= least && args.size() <= most,
          cat("it calls ", row.path, " with ", args.size(), " arguments"));
}

Id Calls::reduce(Id callee, Id args) {
  require(values_.is(callee, Kind::kCallable), cat("it calls ", values_.describe(callee)));
  const auto list = values_.iterate(args);
  require(list.has_value(), cat("it calls a function with ", values_.describe(args), " for arguments"));
  return call(values_.allowed(callee), *list, 0);
}

Id Calls::call(const Allowed& row, Args args, int depth) {
  switch (row.callee) {
    case Callee::kTensor:
    case Callee::kTensorType:
      return make_tensor(row, args);
    case Callee::kSparseType:
      return make_sparse_type(row, args);
    case Callee::kCudaType:
      fail(cat("it calls ", row.path, ", which needs a GPU"));
    case Callee::kStorageClass:
    case Callee::kTypedStorage:
    case Callee::kUntypedStorage:
      return make_storage(row, args);
    case Callee::kDType:
    case Callee::kQScheme:
      fail(cat("it calls ", row.path, ", which is not a function"));
    case Callee::kParameter:
      return make_parameter(args);
    case Callee::kRebuildTensor:
    case Callee::kRebuildTensorV2:
      return rebuild_tensor(row, args);
    case Callee::kRebuildTensorV3:
      return rebuild_tensor_v3(args);
    case Callee::kRebuildParameter:
    case Callee::kRebuildParameterWithState:
      return rebuild_parameter(row, args);
    case Callee::kRebuildSparse:
      require_count(row, args, 2, 2);
      return rebuild_sparse(args);
    case Callee::kRebuildSparseCsr: {
      require_count(row, args, 2, 2);
      require(values_.is(args[0], Kind::kLayout) && values_[args[0]].text == "torch.sparse_csr",
              "a sparse tensor has a layout that does not fit");
      const auto data = values_.iterate(args[1]);
      require(data && data->size() == 4, "a sparse tensor needs four parts");
      return rebuild_compressed(*data, true);
    }
    case Callee::kRebuildMeta:
      require_count(row, args, 4, 4);
      return rebuild_meta(args);
    case Callee::kRebuildQuantized:
      require_count(row, args, 7, 7);
      return rebuild_quantized(args);
    case Callee::kRebuildNested:
      require_count(row, args, 4, 4);
      return rebuild_nested(args);
    case Callee::kRebuildWrapper:
      fail("a tensor subclass has no class that could be made");
    case Callee::kRebuildFromNumpy:
      fail("a numpy array cannot be made");
    case Callee::kRebuildFromCpu:
      require_count(row, args, 4, 4);
      return rebuild_from_cpu(args);
    case Callee::kRebuildFromType:
      require_count(row, args, 4, 4);
      return rebuild_from_type(args, depth);
    default:
      return call_python(row, args);
  }
}

Id Calls::call_python(const Allowed& row, Args args) {
  switch (row.callee) {
    case Callee::kOrderedDict:
      require_count(row, args, 0, 1);
      return make_ordered_dict(args);
    case Callee::kCounter:
      require_count(row, args, 0, 1);
      return make_counter(args);
    case Callee::kSet:
      require_count(row, args, 0, 1);
      return make_set(args);
    case Callee::kByteArray:
      require_count(row, args, 0, 3);
      return make_bytearray(args);
    case Callee::kComplex:
      require_count(row, args, 0, 2);
      return make_complex(args);
    case Callee::kEncode:
      require_count(row, args, 1, 3);
      return encode(args);
    case Callee::kSize:
      require_count(row, args, 0, 1);
      return make_size(args);
    case Callee::kDevice:
      require_count(row, args, 1, 2);
      return make_device(args);
    case Callee::kGetLayout:
      require_count(row, args, 1, 1);
      return get_layout(args);
    default:
      fail(cat("it calls ", row.path));
  }
}

// What dict() and dict.update() take: a mapping, or pairs.
void Calls::require_pairs(Id pairs) const {
  if (values_.is_dict(pairs)) return;
  const auto list = values_.iterate(pairs);
  require(list.has_value(), cat("it makes a dict of ", values_.describe(pairs)));
  for (const Id pair : *list) {
    require(values_.is_sequence(pair) && values_.items(pair).size() == 2 &&
                values_[values_.items(pair)[0]].hashable,
            "it makes a dict of something that is not a list of pairs");
  }
}

Id Calls::make_ordered_dict(Args args) {
  std::vector<Id> items;
  if (!args.empty()) {
    require_pairs(args[0]);
    if (values_.is_dict(args[0])) {
      items.assign(values_.items(args[0]).begin(), values_.items(args[0]).end());
    } else {
      const auto pairs = values_.iterate(args[0]);
      for (const Id pair : *pairs) {
        items.insert(items.end(), values_.items(pair).begin(), values_.items(pair).end());
      }
    }
  }
  return values_.container(Kind::kOrderedDict, std::move(items));
}

// Things that give hashable values when they are walked, which nobody here needs to know.
bool Calls::gives_values(Id id) const {
  switch (values_.kind(id)) {
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kByteArray:
      return values_.is_true(id);
    case Kind::kTensor:
    case Kind::kParameter:
      return !values_.tensor(id).sizes.empty();
    case Kind::kStorage:
      return values_.storage(id).dtype && !is_quantized(*values_.storage(id).dtype);
    case Kind::kUntypedStorage:
      return true;
    default:
      return false;
  }
}

Id Calls::make_counter(Args args) {
  std::vector<Id> items;
  if (!args.empty() && values_.is_dict(args[0])) {
    items.assign(values_.items(args[0]).begin(), values_.items(args[0]).end());
  } else if (!args.empty() && !values_.is(args[0], Kind::kNone)) {
    const auto list = values_.iterate(args[0]);
    require(list || gives_values(args[0]), cat("it makes a Counter of ", values_.describe(args[0])));
    if (!list && values_.is_true(args[0])) items = {values_.integer(0), values_.integer(1)};
    for (const Id item : list.value_or(std::vector<Id>{})) {
      require(values_[item].hashable, cat("a Counter cannot count ", values_.describe(item)));
      items.insert(items.end(), {item, values_.integer(1)});
    }
  }
  return values_.container(Kind::kCounter, std::move(items));
}

Id Calls::make_set(Args args) {
  if (args.empty()) return values_.container(Kind::kSet, {});
  if (gives_values(args[0])) return values_.container(Kind::kSet, {values_.integer(0)});
  auto list = values_.iterate(args[0]);
  require(list.has_value(), cat("it makes a set of ", values_.describe(args[0])));
  for (const Id item : *list) {
    require(values_[item].hashable, cat("a set cannot hold ", values_.describe(item)));
  }
  return values_.container(Kind::kSet, std::move(*list));
}

Id Calls::make_bytearray(Args args) {
  if (args.empty()) return values_.bytes(Kind::kByteArray, 0);
  if (values_.is(args[0], Kind::kString)) {
    return values_.bytes(Kind::kByteArray, values_[encode(args)].number);
  }
  require(args.size() == 1, "it makes a bytearray of several things");
  if (values_.is(args[0], Kind::kBytes) || values_.is(args[0], Kind::kByteArray)) {
    return values_.bytes(Kind::kByteArray, values_[args[0]].number);
  }
  if (values_.is_int(args[0]) || values_.is(args[0], Kind::kBool)) {
    const std::int64_t size = values_[args[0]].number;
    require(size >= 0 && size < kMostBytes, cat("it makes a bytearray of ", size, " bytes"));
    return values_.bytes(Kind::kByteArray, size);
  }
  const auto list = values_.iterate(args[0]);
  require(list.has_value(), cat("it makes a bytearray of ", values_.describe(args[0])));
  for (const Id item : *list) {
    require((values_.is_int(item) || values_.is(item, Kind::kBool)) && values_[item].number >= 0 &&
                values_[item].number < 256,
            "it makes a bytearray of something that is not a list of bytes");
  }
  return values_.bytes(Kind::kByteArray, static_cast<std::int64_t>(list->size()));
}

Id Calls::make_complex(Args args) {
  for (const Id arg : args) {
    require(values_.is_number(arg) || values_.is(arg, Kind::kComplex),
            cat("it makes a complex of ", values_.describe(arg)));
  }
  return values_.plain(Kind::kComplex);
}

Id Calls::encode(Args args) {
  require(values_.is(args[0], Kind::kString), cat("it encodes ", values_.describe(args[0])));
  for (const Id arg : args)
    require(values_.is(arg, Kind::kString), "it encodes with something that is no name");
  const std::string_view text = values_[args[0]].text;
  const std::string_view codec = args.size() > 1 ? values_[args[1]].text : std::string_view("utf-8");
  static constexpr std::string_view kLatin[] = {"latin1", "latin-1", "iso-8859-1", "iso8859-1", "latin_1"};
  static constexpr std::string_view kUtf8[] = {"utf-8", "utf8", "UTF-8", "utf_8"};
  const char32_t highest = highest_character(text);
  if (std::find(std::begin(kLatin), std::end(kLatin), codec) != std::end(kLatin)) {
    require(highest < 0x100, "it encodes a character that Latin-1 does not have");
    // One byte for each character.
    const auto size = std::count_if(text.begin(), text.end(),
                                    [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    return values_.bytes(Kind::kBytes, size);
  }
  const bool is_ascii = codec == "ascii";
  require(is_ascii || std::find(std::begin(kUtf8), std::end(kUtf8), codec) != std::end(kUtf8),
          cat("it encodes with the codec '", escaped(codec), "', which sconce does not follow"));
  require(is_ascii ? highest < 0x80 : is_utf8(text), "it encodes a character that the codec does not have");
  return values_.bytes(Kind::kBytes, static_cast<std::int64_t>(text.size()));
}

Id Calls::make_size(Args args) {
  std::vector<Id> items;
  if (!args.empty()) {
    const auto list = values_.iterate(args[0]);
    require(list.has_value(), cat("it makes a torch.Size of ", values_.describe(args[0])));
    for (const Id item : *list) {
      require(values_.is_int(item) || values_.is(item, Kind::kBool),
              cat("it makes a torch.Size of ", values_.describe(item)));
    }
    items = *list;
  }
  return values_.container(Kind::kSize, std::move(items));
}

Id Calls::make_device(Args args) {
  const bool has_index = args.size() == 2 && !values_.is(args[1], Kind::kNone);
  if (args.size() == 1 && values_.is(args[0], Kind::kDevice)) return args[0];
  require(values_.is(args[0], Kind::kString), cat("it makes a torch.device of ", values_.describe(args[0]),
                                                  values_.is_int(args[0]) ? ", which needs a GPU" : ""));
  const std::string_view text = values_[args[0]].text;
  require(is_device_text(text, has_index) &&
              (!has_index || (values_.is_int(args[1]) && values_[args[1]].number >= 0)),
          cat("there is no device '", escaped(text), "'"));
  return values_.plain(Kind::kDevice);
}

Id Calls::get_layout(Args args) {
  static constexpr std::string_view kLayouts[] = {"torch.strided",    "torch.sparse_coo", "torch.sparse_csr",
                                                  "torch.sparse_csc", "torch.sparse_bsr", "torch.sparse_bsc",
                                                  "torch._mkldnn",    "torch.jagged"};
  require(values_.is(args[0], Kind::kString), cat("it asks for the layout of ", values_.describe(args[0])));
  const std::string_view text = values_[args[0]].text;
  require(std::find(std::begin(kLayouts), std::end(kLayouts), text) != std::end(kLayouts),
          cat("there is no layout '", escaped(text), "'"));
  if (text == "torch.jagged") refuse_(kTorch1_13, "it does not know the layout torch.jagged");
  return values_.text(Kind::kLayout, text);
}

Id Calls::new_object(Id callee, Id args) {
  require(values_.is(callee, Kind::kCallable), cat("it makes an instance of ", values_.describe(callee)));
  const Allowed& row = values_.allowed(callee);
  if (row.callee != Callee::kParameter) refuse_(kTorch1_13, cat("it makes an instance of ", row.path));
  const auto list = values_.iterate(args);
  require(list.has_value(), cat("it makes an object with ", values_.describe(args), " for arguments"));
  switch (row.callee) {
    // __new__ of these takes anything and leaves them empty.
    case Callee::kOrderedDict:
      return values_.container(Kind::kOrderedDict, {});
    case Callee::kCounter:
      return values_.container(Kind::kCounter, {});
    case Callee::kSet:
      return values_.container(Kind::kSet, {});
    case Callee::kByteArray:
      return values_.bytes(Kind::kByteArray, 0);
    case Callee::kTypedStorage:
      return values_.storage(Kind::kStorage, {});
    case Callee::kComplex:
    case Callee::kSize:
    case Callee::kDevice:
    case Callee::kTensor:
    case Callee::kTensorType:
    case Callee::kSparseType:
    case Callee::kCudaType:
    case Callee::kUntypedStorage:
    case Callee::kParameter:
      return call(row, *list, 0);
    default:
      fail(cat("it makes an instance of ", row.path, ", which is not a class that can be made so"));
  }
}

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
