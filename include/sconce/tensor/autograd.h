// How operations record themselves, and the walk back through what was recorded.
//
// An operation validates, calls a kernel and states its derivative with Tensor operations:
//
//   Tensor exp(const Tensor& x) {
//     Tensor y = kernels::exp(x.array());
//     if (needs_grad(x)) {
//       record(y, "exp", {x}, [y = Saved::output(y)](Backward& pass) {
//         pass.set(0, pass.grad() * y.get(pass));
//       });
//     }
//     return y;
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sconce/base/recycled.h"
#include "sconce/tensor/grad_mode.h"
#include "sconce/tensor/node.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

// What a derivative sees: the gradients of the outputs in, those of the inputs out.
class Backward {
 public:
  Backward(const Node& node, std::span<Tensor> grads, std::span<const std::uint8_t> needs,
           std::span<Tensor> results)
      : node_(node), grads_(grads), needs_(needs), results_(results) {}
  // Gradient of an output; with several outputs, undefined for one that nothing used.
  const Tensor& grad(std::size_t output = 0) const { return grads_[output]; }
  // The same for who needs it no more: where nobody else holds it, its memory may be used for the result.
  Tensor take_grad(std::size_t output = 0) { return std::move(grads_[output]); }
  // False when nobody wants the gradient of this input.
  bool needs(std::size_t input) const { return needs_[input] != 0; }
  // States the gradient of an input, of the input's shape and dtype. Inputs without one count as zero.
  void set(std::size_t input, Tensor grad) { results_[input] = std::move(grad); }
  const Node& node() const { return node_; }

 private:
  const Node& node_;
  std::span<Tensor> grads_;
  std::span<const std::uint8_t> needs_;
  std::span<Tensor> results_;
};

// A tensor kept for backward, with its history and the version of its memory. Keep an operation's own result
// by Saved::output, which makes no reference cycle.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& input) { keep_input(input); }
  // `input` when `wanted`, otherwise nothing.
  Saved(const Tensor& input, bool wanted) {
    if (wanted) keep_input(input);
  }
  static Saved output(const Tensor& result, std::uint32_t index = 0);
  // The tensor again, undefined where nothing was kept; Error kState when its memory was written to since.
  Tensor get(const Backward& pass) const;

 private:
  void keep_input(const Tensor& input);
  void keep(const Tensor& tensor, bool is_deferred);
  std::uint32_t version() const;

  std::optional<Array> array_;  // none: nothing is kept, or deferred_ is
  Ref<Deferred> deferred_;
  Edge edge_;
  std::uint32_t version_ = 0;
  bool is_output_ = false;
};

// True when an operation on these tensors must be recorded.
template <class... Tensors>
bool needs_grad(const Tensors&... inputs) {
  return is_grad_enabled() && (inputs.requires_grad() || ...);
}
bool needs_grad(std::span<const Tensor> inputs);

// The way into a Tensor's history, for record() and the walk.
struct Graph {
  static const Edge& edge(const Tensor& tensor) {
    static const Edge none;
    return tensor.impl_ ? tensor.impl_->edge : none;
  }
  static void set_edge(Tensor& tensor, Edge edge) { tensor.impl_->edge = std::move(edge); }
  static std::uint32_t handles(const Tensor& tensor) { return tensor.impl_ ? tensor.impl_->use_count() : 0; }
};

// A node whose derivative is a callable taking Backward&.
template <class Derivative>
class FunctionNode final : public Node, public Recycled<FunctionNode<Derivative>> {
 public:
  FunctionNode(std::string_view name, std::size_t inputs, std::size_t outputs, Derivative&& derivative)
      : Node(name, inputs, outputs), derivative_(std::move(derivative)) {}
  void backward(Backward& pass) override { (*derivative_)(pass); }
  void release() override { derivative_.reset(); }
  bool released() const override { return !derivative_.has_value(); }

 private:
  std::optional<Derivative> derivative_;
};

using TensorRefs = std::initializer_list<std::reference_wrapper<const Tensor>>;

// Error kNumeric naming the operation when an output has a NaN and no input has one.
void require_no_new_nan(std::span<const Tensor> outputs, std::string_view name, TensorRefs inputs);
void require_no_new_nan(std::span<const Tensor> outputs, std::string_view name,
                        std::span<const Tensor> inputs);

// Makes `output` the result of an operation with this derivative. `name` is a string literal; the derivative
// numbers the inputs in this order. An input may be the output itself (an in-place operation).
template <class Derivative>
requires(!std::is_lvalue_reference_v<Derivative>) void record(Tensor& output, std::string_view name,
                                                              TensorRefs inputs, Derivative&& derivative) {
  auto node =
      make_ref<FunctionNode<Derivative>>(name, inputs.size(), 1, std::forward<Derivative>(derivative));
  std::size_t i = 0;
  for (const Tensor& input : inputs) node->set_edge(i++, Graph::edge(input));
  Graph::set_edge(output, Edge(std::move(node), 0));
  if (is_anomaly_enabled()) [[unlikely]]
    require_no_new_nan({&output, 1}, name, inputs);
}

// The same for operations with any number of inputs and outputs.
template <class Derivative>
requires(!std::is_lvalue_reference_v<Derivative>) void record(std::span<Tensor> outputs,
                                                              std::string_view name,
                                                              std::span<const Tensor> inputs,
                                                              Derivative&& derivative) {
  auto node = make_ref<FunctionNode<Derivative>>(name, inputs.size(), outputs.size(),
                                                 std::forward<Derivative>(derivative));
  for (std::size_t i = 0; i < inputs.size(); ++i) node->set_edge(i, Graph::edge(inputs[i]));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    Graph::set_edge(outputs[i], Edge(Ref<Node>(node.get()), static_cast<std::uint32_t>(i)));
  }
  if (is_anomaly_enabled()) [[unlikely]]
    require_no_new_nan(outputs, name, inputs);
}

// For derivatives that are kernels of their own: throws Error kUnsupported when the backward pass is being
// recorded (create_graph) for an operation that is not twice differentiable.
void require_once_differentiable(const Backward& pass);

// Ends the graph at a leaf: adds up the gradients that arrive and keeps the sum.
class GradSlot final : public Node {
 public:
  GradSlot(const Shape& shape, DType dtype);
  void backward(Backward& pass) override;
  void release() override {}
  bool released() const override { return false; }
  bool is_leaf() const override { return true; }
  const Tensor& grad() const { return grad_; }
  // False when the tensor got data of another shape or dtype since.
  bool fits(const Array& data) const { return data.shape() == shape_ && data.dtype() == dtype_; }
  // Error kShapeMismatch or kDTypeMismatch when `grad` does not fit the tensor.
  void set_grad(Tensor grad);
  // Adds `grad` to what is there: in place, or as a recorded sum while the backward pass is recorded.
  void accumulate(Tensor grad);

 private:
  void check(const Tensor& grad) const;
  Shape shape_;
  DType dtype_;
  Tensor grad_;
};

// Backward from several tensors at once; gradients[i] undefined stands for 1 (outputs of one element).
void backward(std::span<const Tensor> outputs, std::span<const Tensor> gradients = {},
              const BackwardOptions& options = {});

struct GradOptions {
  std::optional<bool> retain_graph = std::nullopt;  // default: create_graph
  bool create_graph = false;
  bool allow_unused = false;  // an input that the outputs do not depend on gives an undefined tensor
};

// The gradients of sum(grad_outputs * outputs) with respect to `inputs`; no tensor's .grad() changes.
// Error kState for an input that does not require grad or, unless allowed, is unused.
std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> grad_outputs = {}, const GradOptions& options = {});
std::vector<Tensor> grad(std::initializer_list<Tensor> outputs, std::initializer_list<Tensor> inputs,
                         std::initializer_list<Tensor> grad_outputs = {}, const GradOptions& options = {});

}  // namespace sconce
