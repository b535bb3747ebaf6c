// One recorded operation of the graph that backward walks, and the links between operations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/base/ref.h"

namespace sconce {

class Backward;
class Node;
class Tensor;

// Output `index` of an operation; a null node means "no gradient wanted". Dropping the last link to a chain
// of nodes destroys the chain without recursion, however long it is.
struct Edge {
  Edge() = default;
  Edge(Ref<Node> to, std::uint32_t output) : node(std::move(to)), index(output) {}
  Edge(const Edge&) = default;
  Edge(Edge&&) noexcept = default;
  Edge& operator=(const Edge& other) { return *this = Edge(other); }
  Edge& operator=(Edge&& other) noexcept {
    std::swap(node, other.node);
    std::swap(index, other.index);
    return *this;
  }
  ~Edge();

  Ref<Node> node;
  std::uint32_t index = 0;
};

// Receives the gradient of a tensor; a tensor it returns replaces the gradient.
using GradHook = std::function<Tensor(const Tensor& grad)>;

class Node : public RefCounted {
 public:
  // `name` is a string literal, which outlives all; `inputs` edges are filled in by set_edge.
  Node(std::string_view name, std::size_t inputs, std::size_t outputs);
  virtual ~Node();

  std::string_view name() const { return name_; }
  std::size_t num_outputs() const { return num_outputs_; }
  std::span<const Edge> edges() const {
    return {heap_edges_ ? heap_edges_.get() : inline_edges_, num_edges_};
  }
  void set_edge(std::size_t input, Edge edge);
  // Later operations have larger numbers; backward runs them first.
  std::uint64_t sequence() const { return sequence_; }
  // Where the operation was recorded, for anomaly mode; empty outside it.
  const std::string& origin() const;

  // Computes the gradients of the inputs from those of the outputs.
  virtual void backward(Backward& pass) = 0;
  // Frees what backward needs; a later backward through here is an error.
  virtual void release() = 0;
  virtual bool released() const = 0;
  // True for the end of the graph at a leaf tensor.
  virtual bool is_leaf() const { return false; }

  // Hooks see the summed gradient of output `index` before backward() does, in the order they were added.
  void add_hook(std::uint32_t index, GradHook hook);
  void run_hooks(std::span<Tensor> grads) const;

 private:
  friend class Walk;
  static constexpr std::size_t kInlineEdges = 3;
  struct Extras {
    std::vector<std::pair<std::uint32_t, GradHook>> hooks;
    std::string origin;
  };
  Extras& extras();

  std::string_view name_;
  std::uint64_t sequence_;
  std::uint32_t num_edges_;
  std::uint32_t num_outputs_;
  Edge inline_edges_[kInlineEdges];
  std::unique_ptr<Edge[]> heap_edges_;
  std::unique_ptr<Extras> extras_;
  std::size_t walk_index_ = 0;  // place in the list of the walk that visited the node last
};

}  // namespace sconce
