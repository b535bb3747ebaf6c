// Tensors made of several arrays: quantized and sparse ones (formats.md B.4).
#include <algorithm>
#include <array>

#include "checkpoint/rebuild.h"
#include "checkpoint/torch_names.h"

namespace sconce::checkpoint {

using pickle::Node;
using pickle::NodeList;

namespace {

// Per-channel parameters: a tensor, or in old files a list of numbers of type T. `kind` stays open when
// nobody wants to know of a tensor more than where it is.
template <class T>
const Value* channel_values(ValueReader& reader, Node node, Array& out, std::optional<TensorKind>& kind) {
  const Value* value = reader.get(node);
  if (!value) return nullptr;
  if (value->is_array()) {
    out = value->as_array();
    kind = reader.kind_of(*value);
    return value;
  }
  reader.count_copy(node, node.size() * 2 * sizeof(T));
  std::vector<T> numbers;
  for (const Node item : node.items()) {
    if constexpr (std::is_integral_v<T>) {
      numbers.push_back(item.as_int());
    } else {
      numbers.push_back(item.as_double());
    }
  }
  out = Array::from(numbers, Shape{static_cast<std::int64_t>(numbers.size())});
  kind = TensorKind{out.dtype(), out.shape()};
  return value;
}

// One scale and one zero point for each index of the axis.
void check_channels(const Call& call, const std::optional<TensorKind>& scales,
                    const std::optional<TensorKind>& zero_points, std::int64_t axis, const Shape& shape) {
  if (axis < 0 || axis >= static_cast<std::int64_t>(shape.size())) {
    call.args[4].unexpected("an axis of the tensor");
  }
  const std::int64_t channels = shape[static_cast<std::size_t>(axis)];
  for (const auto* known : {&scales, &zero_points}) {
    if (*known && (*known)->shape != Shape{channels}) {
      call.args[4].unexpected(cat("parameters for ", channels, " channels"));
    }
  }
  if (scales && !is_floating(scales->dtype)) call.args[4].unexpected("scales that are floating");
}

Rebuilt qtensor(ValueReader& reader, const Call& call) {
  expect_args(call, 7, 7);
  const NodeList params = call.args[4].items();
  if (params.size() != 3 && params.size() != 4) call.args[4].unexpected("quantization parameters");
  Quantization quantization;
  const pickle::Global& scheme = params[0].as_global();
  if (scheme.module != "torch" || !scheme.name.starts_with("per_") ||
      trust_of(scheme.module, scheme.name) != Trust::kPlain) {
    params[0].unexpected("a quantization scheme of torch");
  }
  quantization.scheme = scheme.name;
  if (scheme.name.starts_with("per_tensor") != (params.size() == 3)) {
    call.args[4].unexpected(cat("the parameters of ", scheme.name));
  }
  const Value* scales = nullptr;
  const Value* zero_points = nullptr;
  std::optional<TensorKind> scales_kind;
  std::optional<TensorKind> zeros_kind;
  if (params.size() == 3) {
    quantization.scale = params[1].as_double();
    quantization.zero_point = params[2].as_int();
  } else {
    scales = channel_values<double>(reader, params[1], quantization.scales, scales_kind);
    zero_points = channel_values<std::int64_t>(reader, params[2], quantization.zero_points, zeros_kind);
    if (!scales || !zero_points) return std::nullopt;
    quantization.axis = params[3].as_int();
  }
  StoredTensor stored = stored_from(reader, call, {});
  if (!is_quantized(stored.dtype)) call.args[0].unexpected("a quantized storage");
  if (scales) {
    check_channels(call, scales_kind, zeros_kind, quantization.axis, stored.geometry.shape);
  }
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
  static constexpr std::array<std::string_view, 5> kLayouts = {
      "torch.sparse_coo", "torch.sparse_csr", "torch.sparse_csc", "torch.sparse_bsr", "torch.sparse_bsc"};
  const std::string_view name = node.args()[0].as_string();
  if (std::find(kLayouts.begin(), kLayouts.end(), name) == kLayouts.end()) {
    node.args()[0].unexpected("a sparse layout");
  }
  return std::string(name.substr(std::string_view("torch.").size()));
}

Rebuilt sparse(ValueReader& reader, const Call& call) {
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
  leaf.device = parts.back().second.as_tensor().device;
  if (!is_coo) leaf.plain_indices = parts[1].second.as_array();
  leaf.size = Shape(dims_of(data[tensors]));
  if (is_coo && data.size() == 4 && !data[3].is_none()) leaf.is_coalesced = data[3].as_bool();
  return reader.sparse(call.node, std::move(leaf), parts);
}

constexpr RebuildRow kStructuredRows[] = {
    {"torch._utils", "_rebuild_qtensor", qtensor},
    {"torch._utils", "_rebuild_sparse_tensor", sparse},
    {"torch._utils", "_rebuild_sparse_csr_tensor", sparse},
};

}  // namespace

std::span<const RebuildRow> structured_tensor_rows() { return kStructuredRows; }

}  // namespace sconce::checkpoint
