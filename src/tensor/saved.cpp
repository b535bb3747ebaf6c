#include "sconce/tensor/autograd.h"

namespace sconce {

Saved::Saved(const Tensor& input)
    : array_(input.array()), edge_(Graph::edge(input)), version_(array_.storage().version()) {}

Saved Saved::output(const Tensor& result, std::uint32_t index) {
  Saved out;
  out.array_ = result.array();
  out.version_ = out.array_.storage().version();
  out.edge_.index = index;
  out.is_output_ = true;
  return out;
}

Tensor Saved::get(const Backward& pass) const {
  const std::uint32_t now = array_.storage().version();
  require(now == version_, ErrorCode::kState, pass.node().name(),
          "a tensor needed for backward was changed in place (version ", now, ", expected ", version_, ")");
  Tensor out(array_);
  // The history only matters while the backward pass is itself recorded.
  if (is_grad_enabled()) {
    Graph::set_edge(out, is_output_ ? Edge(Ref<Node>(const_cast<Node*>(&pass.node())), edge_.index) : edge_);
  }
  return out;
}

bool needs_grad(std::span<const Tensor> inputs) {
  if (!is_grad_enabled()) return false;
  for (const Tensor& input : inputs) {
    if (input.requires_grad()) return true;
  }
  return false;
}

void require_once_differentiable(const Backward& pass) {
  require(!is_grad_enabled(), ErrorCode::kUnsupported, pass.node().name(),
          "this operation has no second derivative: call backward without create_graph");
}

}  // namespace sconce
