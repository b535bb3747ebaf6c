// The walk back through the graph: count the links into each node, then run nodes whose gradient is complete,
// latest recorded first (PyTorch's order, so sums of gradients round alike). Nothing here recurses.
#include <algorithm>
#include <mutex>
#include <utility>

#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"
#include "tensor/origin.h"

namespace sconce {
namespace {

thread_local const Node* running = nullptr;
thread_local int depth = 0;

// Walks keep their marks in the nodes, so walks of different threads, which may meet at shared leaves, take
// turns. A derivative or hook may start another walk: hence recursive.
std::recursive_mutex& walk_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

}  // namespace

std::string current_origin() {
  return running == nullptr ? std::string() : cat("recorded by the derivative of ", running->name());
}

class Walk {
 public:
  Walk() : lock_(walk_mutex()), is_nested_(depth++ > 0) {
    constexpr std::size_t kFew = 16;
    visits_.reserve(kFew);
    finished_.reserve(kFew);
    ready_.reserve(kFew);
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;
  ~Walk() {
    --depth;
    if (!is_nested_) return;
    for (const Visit& visit : visits_) visit.node->walk_index_ = visit.previous_index;
  }

  void add_root(const Edge& edge, Tensor gradient) { roots_.push_back({edge, std::move(gradient)}); }
  // With targets, only what leads to them runs, and they get their gradient instead of accumulating it.
  void add_target(const Edge& edge) { targets_.push_back({edge, Tensor()}); }

  void run(bool retain_graph) {
    for (const Root& root : roots_) discover(root.edge.node.get());
    plan();
    for (Root& root : roots_) {
      Visit* visit = find(root.edge.node.get());
      if (visit->wanted) put(*visit, root.edge.index, std::move(root.gradient));
    }
    for (std::size_t i = 0; i < visits_.size(); ++i) {
      if (visits_[i].wanted && visits_[i].pending == 0) push(i);
    }
    while (!ready_.empty()) {
      std::pop_heap(ready_.begin(), ready_.end());
      const std::size_t next = ready_.back().second;
      ready_.pop_back();
      run_node(visits_[next], retain_graph);
    }
  }

  // The gradient that arrived at target i; undefined when none did.
  const Tensor& target_gradient(std::size_t i) const { return targets_[i].gradient; }

 private:
  struct Root {
    Edge edge;
    Tensor gradient;
  };
  struct Visit {
    Node* node = nullptr;  // kept alive by the roots
    std::size_t previous_index = 0;
    std::uint32_t pending = 0;  // links that have not delivered yet
    bool is_target = false;
    bool runs = false;    // its derivative is called
    bool wanted = false;  // runs, or is a target
    Tensor first;         // gradients of the outputs: one here, several in `many`
    std::vector<Tensor> many;
    std::span<Tensor> grads() {
      return many.empty() ? std::span<Tensor>(&first, 1) : std::span<Tensor>(many);
    }
  };

  Visit* find(const Node* node) {
    const std::size_t i = node->walk_index_;
    return i < visits_.size() && visits_[i].node == node ? &visits_[i] : nullptr;
  }

  std::size_t visit(Node* node) {
    Visit made;
    made.node = node;
    made.previous_index = node->walk_index_;
    if (node->num_outputs() > 1) made.many.resize(node->num_outputs());
    node->walk_index_ = visits_.size();
    visits_.push_back(std::move(made));
    return visits_.size() - 1;
  }

  // Depth first; finished_ lists nodes after everything they lead to.
  void discover(Node* root) {
    if (find(root) != nullptr) return;
    std::vector<std::pair<std::size_t, std::size_t>> path;
    path.reserve(visits_.capacity());
    path.emplace_back(visit(root), 0);
    while (!path.empty()) {
      auto& [at, next_edge] = path.back();
      const auto edges = visits_[at].node->edges();
      if (next_edge == edges.size()) {
        finished_.push_back(at);
        path.pop_back();
        continue;
      }
      Node* child = edges[next_edge++].node.get();
      if (child != nullptr && find(child) == nullptr) path.emplace_back(visit(child), 0);
    }
  }

  void plan() {
    for (const Root& target : targets_) {
      if (Visit* visit = find(target.edge.node.get())) visit->is_target = true;
    }
    for (const std::size_t i : finished_) {
      Visit& visit = visits_[i];
      visit.runs = targets_.empty();
      for (const Edge& edge : visit.node->edges()) {
        visit.runs = visit.runs || (edge.node && find(edge.node.get())->wanted);
      }
      visit.wanted = visit.runs || visit.is_target;
    }
    for (const Visit& visit : visits_) {
      if (!visit.runs) continue;
      for (const Edge& edge : visit.node->edges()) {
        if (edge.node) ++find(edge.node.get())->pending;
      }
    }
  }

  void push(std::size_t i) {
    const Node& node = *visits_[i].node;
    ready_.emplace_back(node.is_leaf() ? ~std::uint64_t{0} : node.sequence(), i);
    std::push_heap(ready_.begin(), ready_.end());
  }

  static void put(Visit& visit, std::uint32_t output, Tensor gradient) {
    Tensor& slot = visit.grads()[output];
    slot = slot.defined() ? add(slot, gradient) : std::move(gradient);
  }

  void run_node(Visit& visit, bool retain_graph) {
    Node& node = *visit.node;
    const auto grads = visit.grads();
    node.run_hooks(grads);
    for (Root& target : targets_) {
      if (target.edge.node.get() == &node) target.gradient = grads[target.edge.index];
    }
    const auto edges = node.edges();
    results_.resize(edges.size());
    if (node.is_leaf() && visit.runs && visit.first.defined()) {
      static_cast<GradSlot&>(node).accumulate(std::move(visit.first));
      return;
    }
    const bool has_gradient =
        std::any_of(grads.begin(), grads.end(), [](const Tensor& g) { return g.defined(); });
    if (visit.runs && has_gradient) differentiate(visit, retain_graph);
    for (std::size_t i = 0; i < edges.size(); ++i) {
      Tensor result = std::move(results_[i]);  // undefined for the next node
      if (!edges[i].node || !visit.runs) continue;
      Visit& child = *find(edges[i].node.get());
      if (result.defined() && child.wanted) put(child, edges[i].index, std::move(result));
      if (--child.pending == 0 && child.wanted) push(edges[i].node->walk_index_);
    }
    visit.first = Tensor();
    visit.many.clear();
  }

  void differentiate(Visit& visit, bool retain_graph) {
    Node& node = *visit.node;
    require(!node.released(), ErrorCode::kState, "backward", "the graph of ", node.name(),
            " was freed by an earlier backward; pass retain_graph to that one to go through it again");
    needs_.clear();
    for (const Edge& edge : node.edges()) {
      needs_.push_back(edge.node && find(edge.node.get())->wanted ? 1 : 0);
    }
    const Node* const outer = std::exchange(running, &node);
    Backward pass(node, visit.grads(), needs_, results_);
    try {
      node.backward(pass);
    } catch (...) {
      running = outer;
      throw;
    }
    running = outer;
    if (is_anomaly_enabled()) check_results(node);
    if (!retain_graph) node.release();
  }

  void check_results(const Node& node) const {
    for (std::size_t i = 0; i < results_.size(); ++i) {
      if (!results_[i].defined() || !kernels::has_nan(results_[i].array())) continue;
      const std::string origin = node.origin().empty() ? "" : cat(" (", node.origin(), ")");
      fail(ErrorCode::kNumeric, "anomaly", "the derivative of ", node.name(),
           " gave NaN in the gradient of input ", i, ", shape ", results_[i].shape(), origin);
    }
  }

  std::unique_lock<std::recursive_mutex> lock_;
  bool is_nested_;
  std::vector<Root> roots_;
  std::vector<Root> targets_;
  std::vector<Visit> visits_;
  std::vector<std::size_t> finished_;
  std::vector<std::pair<std::uint64_t, std::size_t>> ready_;  // a heap: (sequence, visit)
  std::vector<Tensor> results_;  // of the node that runs; undefined between nodes
  std::vector<std::uint8_t> needs_;
};

namespace {

// The gradient to start from at one output: what was given, or 1.
Tensor seed(const Tensor& output, const Tensor& gradient) {
  require(output.requires_grad(), ErrorCode::kState, "backward",
          "the tensor does not require grad and no recorded operation made it");
  if (!gradient.defined()) {
    require(output.numel() == 1, ErrorCode::kShapeMismatch, "backward", "a tensor of shape ", output.shape(),
            " needs a gradient of that shape; only one element has the default 1");
    return ones_like(output);
  }
  require(gradient.shape() == output.shape(), ErrorCode::kShapeMismatch, "backward", "the tensor has shape ",
          output.shape(), ", the gradient ", gradient.shape());
  require(gradient.dtype() == output.dtype(), ErrorCode::kDTypeMismatch, "backward", "the tensor is ",
          output.dtype(), ", the gradient ", gradient.dtype());
  return gradient;
}

void add_roots(Walk& walk, std::span<const Tensor> outputs, std::span<const Tensor> gradients) {
  require(gradients.empty() || gradients.size() == outputs.size(), ErrorCode::kInvalidArgument, "backward",
          outputs.size(), " tensors, but ", gradients.size(), " gradients");
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    Tensor start = seed(outputs[i], gradients.empty() ? Tensor() : gradients[i]);
    walk.add_root(Graph::edge(outputs[i]), std::move(start));
  }
}

}  // namespace

void backward(std::span<const Tensor> outputs, std::span<const Tensor> gradients,
              const BackwardOptions& options) {
  const GradModeGuard mode(options.create_graph);
  Walk walk;
  add_roots(walk, outputs, gradients);
  walk.run(options.retain_graph.value_or(options.create_graph));
}

std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> grad_outputs, const GradOptions& options) {
  const GradModeGuard mode(options.create_graph);
  Walk walk;
  add_roots(walk, outputs, grad_outputs);
  for (const Tensor& input : inputs) {
    require(input.requires_grad(), ErrorCode::kState, "grad", "an input does not require grad");
    walk.add_target(Graph::edge(input));
  }
  require(!inputs.empty(), ErrorCode::kInvalidArgument, "grad", "no inputs were given");
  walk.run(options.retain_graph.value_or(options.create_graph));
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    out.push_back(walk.target_gradient(i));
    require(out.back().defined() || options.allow_unused, ErrorCode::kState, "grad",
            "the outputs do not depend on input ", i, "; set allow_unused to get an undefined tensor for it");
  }
  return out;
}

std::vector<Tensor> grad(std::initializer_list<Tensor> outputs, std::initializer_list<Tensor> inputs,
                         std::initializer_list<Tensor> grad_outputs, const GradOptions& options) {
  return grad(std::span(outputs.begin(), outputs.size()), std::span(inputs.begin(), inputs.size()),
              std::span(grad_outputs.begin(), grad_outputs.size()), options);
}

}  // namespace sconce
