#include "sconce/tensor/autograd.h"
#include "tensor/in_blocks.h"

namespace sconce {

void Saved::keep_input(const Tensor& input) {
  edge_ = Graph::edge(input);
  const Deferred* deferred = InBlocks::deferred(input);
  keep(input, deferred != nullptr && deferred->kind() == Deferred::Kind::kBlocks);
}

void Saved::keep(const Tensor& tensor, bool is_deferred) {
  if (is_deferred) {
    deferred_ = Ref<Deferred>(InBlocks::deferred(tensor));
  } else {
    array_.emplace(tensor.array());
  }
  version_ = version();
}

std::uint32_t Saved::version() const {
  if (deferred_) return deferred_->version();
  return array_ ? array_->storage().version() : 0;
}

Saved Saved::output(const Tensor& result, std::uint32_t index) {
  Saved out;
  out.keep(result, InBlocks::deferred(result) != nullptr);  // which may still wait
  out.edge_.index = index;
  out.is_output_ = true;
  return out;
}

Tensor Saved::get(const Backward& pass) const {
  const std::uint32_t now = version();
  require(now == version_, ErrorCode::kState, pass.node().name(),
          "a tensor needed for backward was changed in place (version ", now, ", expected ", version_, ")");
  if (!deferred_ && !array_) return {};
  Tensor out = deferred_ ? InBlocks::made(deferred_) : Tensor(*array_);
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
