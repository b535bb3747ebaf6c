// Strided tensors, parameters and tensors with Python attributes (formats.md B.4).
#include "checkpoint/rebuild.h"
#include "checkpoint/torch_names.h"

namespace sconce::checkpoint {

using pickle::Kind;
using pickle::Node;

Rebuilt parameter_of(ValueReader& reader, const Value& inner, bool requires_grad) {
  const auto as_parameter = [requires_grad](auto leaf) {
    leaf.requires_grad = requires_grad;
    leaf.is_parameter = true;
    return leaf;
  };
  if (!is_dense_tensor(inner) && !inner.is_sparse()) return std::nullopt;
  Value out = inner.is_array() ? reader.arena().array(as_parameter(inner.as_tensor()))
                               : reader.arena().sparse(as_parameter(inner.as_sparse()));
  reader.copy_parts(out, "", inner);
  return out;
}

namespace {

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
          .at_offset(pair.key.offset())
          .with_advice("save the tensor without it");
    }
  }
}

Rebuilt tensor_v1(ValueReader& reader, const Call& call) {
  expect_args(call, 4, 4);
  return reader.tensor(call.node, stored_from(reader, call, {}), {});
}

Rebuilt tensor_v2(ValueReader& reader, const Call& call) {
  expect_args(call, 6, 7);
  StoredTensor stored = stored_from(reader, call, {});
  if (call.args.size() == 7) apply_metadata(call.args[6], stored);
  TensorLeaf leaf;
  leaf.requires_grad = call.args[4].as_bool();
  return reader.tensor(call.node, std::move(stored), std::move(leaf));
}

Rebuilt tensor_v3(ValueReader& reader, const Call& call) {
  expect_args(call, 7, 8);
  const auto dtype = dtype_of_global(call.args[6].as_global());
  if (!dtype) {
    throw Error(ErrorCode::kUnsupported, "torch",
                cat("unknown dtype torch.", escaped(call.args[6].as_global().name)))
        .at_offset(call.args[6].offset())
        .with_advice("save it with another dtype");
  }
  StoredTensor stored = stored_from(reader, call, dtype);
  if (call.args.size() == 8) apply_metadata(call.args[7], stored);
  TensorLeaf leaf;
  leaf.requires_grad = call.args[4].as_bool();
  return reader.tensor(call.node, std::move(stored), std::move(leaf));
}

Rebuilt parameter(ValueReader& reader, const Call& call) {
  expect_args(call, 3, 4);
  const Value* inner = reader.get(call.args[0]);
  if (!inner) return std::nullopt;
  const bool has_state = call.args.size() == 4;
  if (has_state && !is_attribute_state(call.args[3])) return reader.inert(call.node);
  auto out = parameter_of(reader, *inner, call.args[1].as_bool());
  if (!out) return reader.inert(call.node);  // over a meta tensor, say
  if (has_state) attributes_later(reader, *out, call.args[3]);
  return out;
}

// A tensor with Python attributes: func(*args) under a class and a state. Where that is no tensor with data,
// the object stays as it is: a subclass whose data are in its state, a meta tensor, or something evil.
Rebuilt from_type(ValueReader& reader, const Call& call) {
  expect_args(call, 4, 4);
  const bool is_plain = call.args[0].is(Kind::kGlobal) && call.args[1].is(Kind::kGlobal) &&
                        call.args[2].is(Kind::kTuple) && is_attribute_state(call.args[3]);
  // Never from within itself.
  if (!is_plain || call.args[0].as_global().name.starts_with("_rebuild_from_type")) {
    return reader.inert(call.node);
  }
  if (is_shard(call)) return shard(reader, call);
  bool known = false;
  auto inner = reader.make_call({call.node, call.args[0].as_global(), call.args[2].items()}, known);
  if (known && !inner) return std::nullopt;
  if (!known || !(inner->is_array() || inner->is_sparse())) return reader.inert(call.node);
  attributes_later(reader, *inner, call.args[3]);
  if (!call.args[1].is_global("torch", "Tensor")) {
    inner->set_attribute("__class__", reader.global(call.args[1]));
  }
  return inner;
}

constexpr RebuildRow kTensorRows[] = {
    {"torch._utils", "_rebuild_tensor_v2", tensor_v2},
    {"torch._utils", "_rebuild_parameter", parameter},
    {"torch._utils", "_rebuild_tensor", tensor_v1},
    {"torch._utils", "_rebuild_tensor_v3", tensor_v3},
    {"torch._utils", "_rebuild_parameter_with_state", parameter},
    {"torch._tensor", "_rebuild_from_type_v2", from_type},
    {"torch._tensor", "_rebuild_from_type", from_type},
};

}  // namespace

std::span<const RebuildRow> tensor_rows() { return kTensorRows; }

}  // namespace sconce::checkpoint
