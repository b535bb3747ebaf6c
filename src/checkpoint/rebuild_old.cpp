// Tensors, Variables and Parameters as PyTorch 0.1 to 0.4 pickled them (formats.md B.4): a class is called,
// and BUILD gives it what it holds.
#include <array>

#include "checkpoint/rebuild.h"

namespace sconce::checkpoint {

using pickle::Kind;
using pickle::Node;
using pickle::NodeList;

DType tensor_class_dtype(const pickle::Global& type, const Node& at) {
  constexpr std::string_view kSuffix = "Tensor";
  std::optional<DType> dtype;
  if (type.name.ends_with(kSuffix)) {
    dtype = dtype_from_storage(cat(type.name.substr(0, type.name.size() - kSuffix.size()), "Storage"));
  }
  const bool is_torch = type.module == "torch" || type.module.starts_with("torch.");
  if (!dtype || !is_torch) at.unexpected("a tensor class of torch");
  return *dtype;
}

namespace {

// The argument of BUILD, a tuple of one of two sizes; nullopt when there was none.
std::optional<NodeList> state_of(const Call& call, std::size_t size, std::size_t or_size) {
  if (!call.node.items().empty() || !call.node.pairs().empty() || call.node.states().size() > 1) {
    call.node.unexpected("a tensor that is set up at most once");
  }
  if (call.node.states().empty()) return std::nullopt;
  const Node state = call.node.states()[0];
  if (!state.is(Kind::kTuple) || (state.size() != size && state.size() != or_size)) {
    state.unexpected("the state of a tensor");
  }
  return state.items();
}

// torch.FloatTensor(), then (storage, offset, sizes, strides).
Rebuilt dense(ValueReader& reader, const Call& call) {
  expect_args(call, 0, 0);
  const DType dtype = tensor_class_dtype(call.function, call.node);
  const auto state = state_of(call, 4, 4);
  if (!state) {
    return reader.tensor(call.node, {reader.empty_storage(dtype), dtype, Geometry::contiguous(Shape{0})}, {});
  }
  StoredTensor stored = stored_from(reader, {call.node, call.function, *state}, {});
  if (stored.dtype != dtype) (*state)[0].unexpected(cat("a storage of ", dtype_name(dtype)));
  return reader.tensor(call.node, std::move(stored), {});
}

// torch.sparse.FloatTensor(indices, values, size).
Rebuilt old_sparse(ValueReader& reader, const Call& call) {
  expect_args(call, 3, 3);
  if (state_of(call, 0, 0)) call.node.unexpected("a sparse tensor without a state");
  const Value* indices = reader.get(call.args[0]);
  const Value* values = reader.get(call.args[1]);
  if (!indices || !values) return std::nullopt;
  if (!indices->is_array()) call.args[0].unexpected("a tensor of indices");
  if (!values->is_array()) call.args[1].unexpected("a tensor of values");
  SparseLeaf leaf;
  leaf.layout = "sparse_coo";
  leaf.indices = indices->as_array();
  leaf.values = values->as_array();
  leaf.size = Shape(dims_of(call.args[2]));
  return reader.sparse(call.node, std::move(leaf), {{"indices", *indices}, {"values", *values}});
}

// Variable or Parameter: class(data[, requires_grad[, volatile]]), then (requires_grad, volatile, hooks) or,
// oldest, (data, grad, hooks, requires_grad, volatile).
Rebuilt variable(ValueReader& reader, const Call& call) {
  expect_args(call, 0, 3);
  const bool is_parameter = call.function.name == "Parameter";
  const auto state = state_of(call, 3, 5);
  const bool is_oldest = state && state->size() == 5;
  if (call.args.empty() && !is_oldest) call.node.unexpected(cat(call.function.name, " with data"));
  const Value* data = reader.get(is_oldest ? (*state)[0] : call.args[0]);
  if (!data) return std::nullopt;
  bool requires_grad = call.args.size() < 2 ? is_parameter : call.args[1].as_bool();
  if (state) requires_grad = (*state)[is_oldest ? 3 : 0].as_bool();
  if (is_parameter) {
    auto out = parameter_of(reader, *data, requires_grad);
    return out ? out : reader.inert(call.node);
  }
  if (!is_dense_tensor(*data)) return reader.inert(call.node);
  TensorLeaf leaf = data->as_tensor();
  leaf.requires_grad = requires_grad;
  Value out = reader.arena().array(std::move(leaf));
  reader.copy_parts(out, "", *data);
  return out;
}

constexpr std::string_view kClasses[] = {"FloatTensor", "DoubleTensor",  "HalfTensor", "ByteTensor",
                                         "CharTensor",  "ShortTensor",   "IntTensor",  "LongTensor",
                                         "BoolTensor",  "BFloat16Tensor"};

constexpr auto make_rows() {
  std::array<RebuildRow, 4 * std::size(kClasses) + 3> rows{};
  std::size_t n = 0;
  for (const std::string_view name : kClasses) {
    rows[n++] = {"torch", name, dense, true};
    rows[n++] = {"torch.cuda", name, dense, true};
    rows[n++] = {"torch.sparse", name, old_sparse, true};
    rows[n++] = {"torch.cuda.sparse", name, old_sparse, true};
  }
  rows[n++] = {"torch.nn.parameter", "Parameter", variable, true};
  rows[n++] = {"torch.autograd.variable", "Variable", variable, true};
  rows[n++] = {"torch.autograd", "Variable", variable, true};
  return rows;
}

constexpr auto kOldRows = make_rows();

}  // namespace

std::span<const RebuildRow> old_tensor_rows() { return kOldRows; }

}  // namespace sconce::checkpoint
