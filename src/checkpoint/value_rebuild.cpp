// The calls in torch pickles that stand for plain values: formats.md B.4 to B.7. One row, one function.
#include <algorithm>
#include <array>
#include <complex>

#include "checkpoint/torch_names.h"
#include "checkpoint/value_reader.h"
#include "sconce/base/byte_reader.h"

namespace sconce::checkpoint {

using pickle::Kind;
using pickle::Node;
using pickle::NodeList;

namespace {

using Result = std::optional<Value>;

void expect_args(const Call& call, std::size_t least, std::size_t most) {
  if (call.args.size() < least || call.args.size() > most) {
    throw Error(ErrorCode::kCorrupt, "torch",
                cat(call.function.module, ".", call.function.name, " takes ", least, " to ", most,
                    " arguments, found ", call.args.size()))
        .at_offset(call.node.offset());
  }
}

// The numbers of a size or stride: a tuple, a list or a torch.Size.
Dims dims_of(Node node) {
  if (node.is_call_of("torch", "Size") && node.args().size() == 1) node = node.args()[0];
  Dims out;
  for (const Node item : node.items()) out.push_back(item.as_int());
  return out;
}

// Arguments 0 to 3 of every strided tensor: storage, offset, sizes, strides.
StoredTensor stored_from(ValueReader& reader, const Call& call, std::optional<DType> dtype) {
  StoredTensor out;
  if (!call.args[0].is(Kind::kPersistent)) call.args[0].unexpected("a storage");
  out.storage = reader.storage(call.args[0]);
  out.dtype = dtype.value_or(reader.storage_info(out.storage).dtype.value_or(kUInt8));
  out.geometry = {Shape(dims_of(call.args[2])), dims_of(call.args[3]), call.args[1].as_int()};
  return out;
}

// The dict of lazy operations that 2.x adds when there are any.
void apply_metadata(const Node& metadata, StoredTensor& stored) {
  if (metadata.is_none()) return;
  for (const pickle::Pair pair : metadata.pairs()) {
    const std::string_view name = pair.key.as_string();
    if (name == "conj") {
      stored.is_conj = pair.value.as_bool();
    } else if (name == "neg") {
      stored.is_neg = pair.value.as_bool();
    } else {
      throw Error(ErrorCode::kUnsupported, "torch", cat("unknown tensor metadata '", escaped(name), "'"))
          .at_offset(pair.key.offset());
    }
  }
}

Result tensor_v1(ValueReader& reader, const Call& call) {
  expect_args(call, 4, 4);
  return reader.tensor(call.node, stored_from(reader, call, {}), {});
}

Result tensor_v2(ValueReader& reader, const Call& call) {
  expect_args(call, 6, 7);
  StoredTensor stored = stored_from(reader, call, {});
  if (call.args.size() == 7) apply_metadata(call.args[6], stored);
  TensorLeaf leaf;
  leaf.requires_grad = call.args[4].as_bool();
  return reader.tensor(call.node, std::move(stored), std::move(leaf));
}

Result tensor_v3(ValueReader& reader, const Call& call) {
  expect_args(call, 7, 8);
  const auto dtype = dtype_of_global(call.args[6].as_global());
  if (!dtype) {
    throw Error(ErrorCode::kUnsupported, "torch",
                cat("unknown dtype torch.", escaped(call.args[6].as_global().name)))
        .at_offset(call.args[6].offset());
  }
  StoredTensor stored = stored_from(reader, call, dtype);
  if (call.args.size() == 8) apply_metadata(call.args[7], stored);
  TensorLeaf leaf;
  leaf.requires_grad = call.args[4].as_bool();
  return reader.tensor(call.node, std::move(stored), std::move(leaf));
}

// Python attributes of a tensor: None, a dict, or (dict or None, slots).
void attributes_later(ValueReader& reader, Value target, Node state) {
  reader.later([&reader, target, state]() mutable {
    std::vector<Node> dicts{state};
    if (state.is(Kind::kTuple)) dicts.assign(state.items().begin(), state.items().end());
    for (const Node dict : dicts) {
      if (dict.is_none()) continue;
      for (const pickle::Pair pair : dict.pairs()) {
        target.set_attribute(pair.key.as_string(), reader.now(pair.value));
      }
    }
  });
}

// A tensor like `inner` that is a Parameter.
Value parameter_of(ValueReader& reader, const Node& at, const Value& inner, bool requires_grad) {
  if (!inner.is_array()) {
    throw Error(ErrorCode::kUnsupported, "torch", cat("a Parameter over a ", value_kind_name(inner.kind())))
        .at_offset(at.offset());
  }
  TensorLeaf leaf = inner.as_tensor();
  leaf.requires_grad = requires_grad;
  leaf.is_parameter = true;
  Value out = reader.arena().array(std::move(leaf));
  reader.copy_parts(out, "", inner);
  return out;
}

Result parameter(ValueReader& reader, const Call& call) {
  expect_args(call, 3, 4);
  const Value* inner = reader.get(call.args[0]);
  if (!inner) return std::nullopt;
  Value out = parameter_of(reader, call.node, *inner, call.args[1].as_bool());
  if (call.args.size() == 4) attributes_later(reader, out, call.args[3]);
  return out;
}

// Parameter of 0.2 to 0.4: Parameter(tensor[, requires_grad]), then (requires_grad, volatile, hooks) or the
// oldest (data, grad, hooks, requires_grad, volatile).
Result old_parameter(ValueReader& reader, const Call& call) {
  expect_args(call, 1, 2);
  const Value* inner = reader.get(call.args[0]);
  if (!inner) return std::nullopt;
  bool requires_grad = call.args.size() < 2 || call.args[1].as_bool();
  for (const Node state : call.node.states()) {
    if (state.size() != 3 && state.size() != 5) state.unexpected("the state of a Parameter");
    requires_grad = state.items()[state.size() == 3 ? 0 : 3].as_bool();
  }
  return parameter_of(reader, call.node, *inner, requires_grad);
}

// A tensor with Python attributes: func(*args) under a class and a state.
Result from_type(ValueReader& reader, const Call& call) {
  expect_args(call, 4, 4);
  bool known = false;
  std::optional<Value> inner;
  if (!call.args[0].as_global().name.starts_with("_rebuild_from_type")) {  // never from within itself
    inner = reader.make_call({call.node, call.args[0].as_global(), call.args[2].items()}, known);
  }
  if (known && !inner) return std::nullopt;
  if (!known || !inner->is_array()) {
    throw Error(ErrorCode::kUnsupported, "torch",
                cat("a tensor of class ", escaped(call.args[1].as_global().name), " made by ",
                    escaped(call.args[0].as_global().name)))
        .at_offset(call.node.offset());
  }
  attributes_later(reader, *inner, call.args[3]);
  if (!call.args[1].is_global("torch", "Tensor")) {
    const pickle::Global& type = call.args[1].as_global();
    inner->set_attribute("__class__", reader.arena().global(type.module, type.name));
  }
  return inner;
}

// Per-channel parameters: a tensor, or in old files a list of numbers.
const Value* channel_values(ValueReader& reader, Node node, Array& out) {
  const Value* value = reader.get(node);
  if (!value) return nullptr;
  if (value->is_array()) {
    out = value->as_array();
    return value;
  }
  std::vector<double> numbers;
  for (const Node item : node.items()) numbers.push_back(item.as_double());
  out = Array::from(numbers, Shape{static_cast<std::int64_t>(numbers.size())});
  return value;
}

Result qtensor(ValueReader& reader, const Call& call) {
  expect_args(call, 7, 7);
  const NodeList params = call.args[4].items();
  if (params.size() != 3 && params.size() != 4) call.args[4].unexpected("quantization parameters");
  Quantization quantization;
  const pickle::Global& scheme = params[0].as_global();
  if (scheme.module != "torch" || trust_of(scheme.module, scheme.name) != Trust::kPlain) {
    params[0].unexpected("a quantization scheme of torch");
  }
  quantization.scheme = scheme.name;
  const Value* scales = nullptr;
  const Value* zero_points = nullptr;
  if (params.size() == 3) {
    quantization.scale = params[1].as_double();
    quantization.zero_point = params[2].as_int();
  } else {
    scales = channel_values(reader, params[1], quantization.scales);
    zero_points = channel_values(reader, params[2], quantization.zero_points);
    if (!scales || !zero_points) return std::nullopt;
    quantization.axis = params[3].as_int();
  }
  StoredTensor stored = stored_from(reader, call, {});
  if (!is_quantized(stored.dtype)) call.args[0].unexpected("a quantized storage");
  TensorLeaf leaf;
  leaf.requires_grad = call.args[5].as_bool();
  leaf.quantization = std::move(quantization);
  Value out = reader.tensor(call.node, std::move(stored), std::move(leaf));
  if (scales) {
    reader.copy_parts(out, "scales", *scales);
    reader.copy_parts(out, "zero_points", *zero_points);
  }
  return out;
}

// The name in torch.serialization._get_layout('torch.sparse_coo').
std::string layout_of(Node node) {
  if (!node.is_call_of("torch.serialization", "_get_layout") || node.args().size() != 1) {
    node.unexpected("a layout");
  }
  const std::string_view name = node.args()[0].as_string();
  if (!name.starts_with("torch.sparse_")) node.args()[0].unexpected("a sparse layout");
  return std::string(name.substr(6));
}

Result sparse(ValueReader& reader, const Call& call) {
  expect_args(call, 2, 2);
  SparseLeaf leaf;
  leaf.layout = layout_of(call.args[0]);
  const bool is_coo = leaf.layout == "sparse_coo";
  const NodeList data = call.args[1].items();
  const std::size_t tensors = is_coo ? 2 : 3;
  if (data.size() < tensors + 1 || data.size() > 4) call.args[1].unexpected("the parts of a sparse tensor");
  static constexpr std::array<std::string_view, 3> kCooRoles = {"indices", "values", ""};
  static constexpr std::array<std::string_view, 3> kCompressedRoles = {"compressed_indices", "plain_indices",
                                                                       "values"};
  std::vector<std::pair<std::string, Value>> parts;
  for (std::size_t i = 0; i < tensors; ++i) {
    if (const Value* part = reader.get(data[i])) {
      if (!part->is_array()) data[i].unexpected("a tensor");
      parts.emplace_back((is_coo ? kCooRoles : kCompressedRoles)[i], *part);
    }
  }
  if (parts.size() != tensors) return std::nullopt;
  leaf.indices = parts.front().second.as_array();
  leaf.values = parts.back().second.as_array();
  if (!is_coo) leaf.plain_indices = parts[1].second.as_array();
  leaf.size = Shape(dims_of(data[tensors]));
  if (is_coo && data.size() == 4 && !data[3].is_none()) leaf.is_coalesced = data[3].as_bool();
  return reader.sparse(std::move(leaf), parts);
}

Result ordered_dict(ValueReader& reader, const Call& call) {
  expect_args(call, 0, 1);
  Value out = reader.arena().dict(true);
  reader.later([&reader, call, out]() mutable {
    if (call.args.size() == 1 && call.args[0].is(Kind::kDict)) {
      for (const pickle::Pair pair : call.args[0].pairs()) {
        set_item_from(call.node, out, reader.now(pair.key), reader.now(pair.value));
      }
    } else if (call.args.size() == 1) {  // Python 2: [[key, value], ...]
      for (const Node pair : call.args[0].items()) {
        if (pair.size() != 2) pair.unexpected("a key and a value");
        set_item_from(call.node, out, reader.now(pair.items()[0]), reader.now(pair.items()[1]));
      }
    }
    for (const pickle::Pair pair : call.node.pairs()) {
      set_item_from(call.node, out, reader.now(pair.key), reader.now(pair.value));
    }
  });
  for (const Node state : call.node.states()) attributes_later(reader, out, state);
  return out;
}

Result make_set(ValueReader& reader, const Call& call) {
  expect_args(call, 0, 1);
  Value out = reader.arena().set(call.function.name == "frozenset");
  if (call.args.empty()) return out;
  const auto elements = reader.get_all(call.args[0].items());
  if (!elements) return std::nullopt;
  try {
    for (const Value& element : *elements) out.append(element);
  } catch (const Error& error) {
    throw Error(ErrorCode::kCorrupt, "torch", error.text()).at_offset(call.node.offset());
  }
  return out;
}

// Protocol 2 has no bytes: _codecs.encode(text, 'latin1'), each character one byte.
Result encoded_bytes(ValueReader& reader, const Call& call) {
  expect_args(call, 2, 2);
  const std::string_view codec = call.args[1].as_string();
  if (codec != "latin1") call.args[1].unexpected("'latin1'");
  const std::string_view text = call.args[0].as_string();
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      out += text[i];
    } else if ((byte == 0xC2 || byte == 0xC3) && i + 1 < text.size()) {
      out += static_cast<char>(((byte & 0x03) << 6) | (static_cast<unsigned char>(text[++i]) & 0x3F));
    } else {
      call.args[0].unexpected("text with characters up to U+00FF only");
    }
  }
  return reader.arena().bytes(as_byte_span(out));
}

Result make_bytes(ValueReader& reader, const Call& call) {
  expect_args(call, 0, 1);
  const bool is_bytearray = call.function.name == "bytearray";
  if (call.args.empty()) return reader.arena().bytes({}, is_bytearray);
  const Value* content = reader.get(call.args[0]);
  if (!content) return std::nullopt;
  if (!content->is_bytes()) call.args[0].unexpected("bytes");
  return reader.arena().bytes(content->as_bytes(), is_bytearray);
}

Result make_complex(ValueReader& reader, const Call& call) {
  expect_args(call, 2, 2);
  return reader.arena().complex({call.args[0].as_double(), call.args[1].as_double()});
}

struct Row {
  std::string_view module;
  std::string_view name;
  Result (*make)(ValueReader&, const Call&);
  bool takes_state = false;  // BUILD and items after the call are part of the value
};

constexpr Row kRows[] = {
    {"torch._utils", "_rebuild_tensor_v2", tensor_v2},
    {"torch._utils", "_rebuild_parameter", parameter},
    {"collections", "OrderedDict", ordered_dict, true},
    {"torch._utils", "_rebuild_tensor", tensor_v1},
    {"torch._utils", "_rebuild_tensor_v3", tensor_v3},
    {"torch._utils", "_rebuild_parameter_with_state", parameter},
    {"torch._tensor", "_rebuild_from_type_v2", from_type},
    {"torch._tensor", "_rebuild_from_type", from_type},
    {"torch._utils", "_rebuild_qtensor", qtensor},
    {"torch._utils", "_rebuild_sparse_tensor", sparse},
    {"torch._utils", "_rebuild_sparse_csr_tensor", sparse},
    {"torch.nn.parameter", "Parameter", old_parameter, true},
    {"_codecs", "encode", encoded_bytes},
    {"builtins", "set", make_set},
    {"builtins", "frozenset", make_set},
    {"builtins", "bytes", make_bytes},
    {"builtins", "bytearray", make_bytes},
    {"builtins", "complex", make_complex},
};

}  // namespace

std::optional<Value> ValueReader::make_call(const Call& call, bool& known) {
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& candidate) {
    return candidate.name == call.function.name && candidate.module == call.function.module;
  });
  known = row != std::end(kRows);
  if (!known) return std::nullopt;
  if (!row->takes_state &&
      !(call.node.states().empty() && call.node.items().empty() && call.node.pairs().empty())) {
    call.node.unexpected(cat(call.function.module, ".", call.function.name, " without a state or items"));
  }
  return row->make(*this, call);
}

}  // namespace sconce::checkpoint
