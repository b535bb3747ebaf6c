#include "sconce/tensor/node.h"

#include <utility>

#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/autograd.h"
#include "tensor/origin.h"

namespace sconce {
namespace {

thread_local std::uint64_t next_sequence = 0;

template <class Inputs>
void refuse_new_nan(std::span<const Tensor> outputs, std::string_view name, const Inputs& inputs) {
  const auto has_nan = [](const Tensor& tensor) {
    return tensor.defined() && is_floating(tensor.dtype()) && kernels::has_nan(tensor.array());
  };
  for (const Tensor& output : outputs) {
    if (!has_nan(output)) continue;
    for (const Tensor& input : inputs) {
      // What an in-place operation found in its own memory is gone.
      if (!input.is_same(output) && has_nan(input)) return;
    }
    const std::string origin = current_origin();
    fail(ErrorCode::kNumeric, "anomaly", name, " made a NaN, shape ", output.shape(),
         origin.empty() ? "" : cat(" (", origin, ")"));
  }
}

}  // namespace

void require_no_new_nan(std::span<const Tensor> outputs, std::string_view name, TensorRefs inputs) {
  refuse_new_nan(outputs, name, inputs);
}

void require_no_new_nan(std::span<const Tensor> outputs, std::string_view name,
                        std::span<const Tensor> inputs) {
  refuse_new_nan(outputs, name, inputs);
}

// While one frame of this thread destroys nodes, nodes that lose their last link below it wait in that
// frame's list instead of being destroyed by recursion.
Edge::~Edge() {
  if (!node || node->use_count() > 1) return;
  thread_local std::vector<Ref<Node>>* waiting = nullptr;
  if (waiting != nullptr) {
    waiting->push_back(std::move(node));
    return;
  }
  std::vector<Ref<Node>> list;
  waiting = &list;
  node = nullptr;
  while (!list.empty()) {
    Ref<Node> last = std::move(list.back());
    list.pop_back();
    last = nullptr;
  }
  waiting = nullptr;
}

Node::Node(std::string_view name, std::size_t inputs, std::size_t outputs)
    : name_(name),
      sequence_(next_sequence++),
      num_edges_(static_cast<std::uint32_t>(inputs)),
      num_outputs_(static_cast<std::uint32_t>(outputs)) {
  if (inputs > kInlineEdges) heap_edges_ = std::make_unique<Edge[]>(inputs);
  if (is_anomaly_enabled()) [[unlikely]]
    extras().origin = current_origin();
}

Node::~Node() = default;

void Node::set_edge(std::size_t input, Edge edge) {
  (heap_edges_ ? heap_edges_[input] : inline_edges_[input]) = std::move(edge);
}

Node::Extras& Node::extras() {
  if (!extras_) extras_ = std::make_unique<Extras>();
  return *extras_;
}

const std::string& Node::origin() const {
  static const std::string none;
  return extras_ ? extras_->origin : none;
}

void Node::add_hook(std::uint32_t index, GradHook hook) {
  extras().hooks.emplace_back(index, std::move(hook));
}

void Node::run_hooks(std::span<Tensor> grads) const {
  if (!extras_) return;
  for (const auto& [index, hook] : extras_->hooks) {
    Tensor& grad = grads[index];
    if (!grad.defined()) continue;
    if (Tensor replaced = hook(grad); replaced.defined()) grad = std::move(replaced);
  }
}

}  // namespace sconce
