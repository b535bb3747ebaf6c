// Tensor: an Array plus its place in the graph of recorded operations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sconce/base/recycled.h"
#include "sconce/base/ref.h"
#include "sconce/core/array.h"
#include "sconce/tensor/deferred.h"
#include "sconce/tensor/node.h"
#include "sconce/tensor/scalar.h"

namespace sconce {

class GradSlot;

struct BackwardOptions {
  std::optional<bool> retain_graph =
      std::nullopt;           // keep the graph for another backward; default: create_graph
  bool create_graph = false;  // record the backward pass itself, for second derivatives
};

// A cheap handle: copies refer to the same tensor. Only defined(), assignment and destruction are allowed on
// a default-constructed one. Tensors may be read from several threads at once; recording, backward and
// writing belong to one thread at a time.
class Tensor {
 public:
  Tensor() = default;
  Tensor(Array array);  // NOLINT(google-explicit-constructor): data without history

  bool defined() const { return static_cast<bool>(impl_); }
  DType dtype() const { return impl_ && impl_->deferred ? impl_->deferred->dtype() : array().dtype(); }
  const Shape& shape() const {
    if (impl_ && impl_->deferred) [[unlikely]]
      return impl_->deferred->shape();
    return array().shape();
  }
  const Strides& strides() const { return array().strides(); }
  std::size_t rank() const { return shape().size(); }
  std::int64_t numel() const { return shape().numel(); }
  std::int64_t size(std::int64_t dim) const { return shape()[normalize_dim(dim, rank(), "size")]; }
  bool is_contiguous() const { return array().is_contiguous(); }

  // The data. Every reader comes through here. Error kState on an undefined tensor.
  const Array& array() const {
    if (!impl_) [[unlikely]]
      fail_undefined();
    if (impl_->deferred) [[unlikely]]
      return impl_->deferred->plain();
    return impl_->array;
  }
  // The data for writing, outside autograd: nothing is recorded, but backward notices the write.
  Array& mutable_array();
  // The one element, converted to T (Error kShapeMismatch when there are more).
  template <class T = double>
  T item() const {
    return array().template item<T>();
  }
  // All elements in row-major order, converted to T.
  template <class T>
  std::vector<T> to_vector() const {
    return array().template to_vector<T>();
  }
  std::string str() const { return array().str(); }
  // True when both handles refer to one tensor.
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

  // --- autograd ---
  bool requires_grad() const { return impl_ && impl_->edge.node; }
  // Leaves of floating dtype only (Errors kState, kDTypeMismatch). Returns *this.
  Tensor& set_requires_grad(bool on = true);
  // True when no recorded operation made this tensor.
  bool is_leaf() const { return !requires_grad() || impl_->edge.node->is_leaf(); }
  // Name of the operation that made this tensor; empty for a leaf.
  std::string grad_fn_name() const;
  // The accumulated gradient; undefined when there is none. It stands until the gradient is replaced: keep a
  // copy of the handle beyond that.
  const Tensor& grad() const;
  // Replaces the gradient; an undefined tensor clears it. Errors kShapeMismatch, kDTypeMismatch.
  void set_grad(const Tensor& grad);
  // Keeps the gradient of a non-leaf, too, from the next backward on.
  void retain_grad();
  // Runs `hook` on this tensor's gradient in each backward. Error kState unless it requires grad.
  void register_hook(GradHook hook);
  // The same data without history.
  Tensor detach() const;
  // Adds d(sum(gradient * this)) to the gradients of the leaves; a tensor of one element needs no `gradient`.
  void backward(const Tensor& gradient = {}, const BackwardOptions& options = {}) const;

  // --- views (src/tensor/views.cpp); see Array for their meaning ---
  Tensor view(const Shape& shape) const;
  Tensor reshape(const Shape& shape) const;
  Tensor transpose(std::int64_t dim0, std::int64_t dim1) const;
  Tensor t() const;  // rank 2 or less, otherwise Error kShapeMismatch
  Tensor permute(std::initializer_list<std::int64_t> dims) const;
  Tensor permute(const Dims& dims) const;
  Tensor select(std::int64_t dim, std::int64_t index) const;
  Tensor narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const;
  Tensor slice(std::int64_t dim, const Slice& bounds) const;
  Tensor index(std::initializer_list<Index> indices) const;
  Tensor operator[](std::int64_t index) const { return select(0, index); }
  Tensor expand(const Shape& shape) const;
  Tensor squeeze() const;
  Tensor squeeze(std::int64_t dim) const;
  Tensor unsqueeze(std::int64_t dim) const;
  Tensor flatten(std::int64_t start_dim = 0, std::int64_t end_dim = -1) const;
  Tensor contiguous() const;
  Tensor clone() const;
  Tensor to(DType dtype) const;

  // --- writing in place (src/tensor/inplace.cpp); each returns *this ---
  // Inside a NoGradGuard they only write. Otherwise the write is recorded; Error kState on a leaf that
  // requires grad, and when other tensors (views, saved results) share the memory of a tensor that needs a
  // new history.
  Tensor& add_(const Tensor& other, Scalar alpha = 1);
  Tensor& add_(Scalar value);
  Tensor& sub_(const Tensor& other, Scalar alpha = 1);
  Tensor& mul_(const Tensor& other);
  Tensor& mul_(Scalar value);
  Tensor& div_(const Tensor& other);
  Tensor& div_(Scalar value);
  Tensor& copy_(const Tensor& source);
  Tensor& fill_(Scalar value);
  Tensor& zero_();

 private:
  friend struct Graph;
  friend struct InBlocks;
  struct Impl : RefCounted, Recycled<Impl> {
    Impl() = default;
    explicit Impl(Array&& plain) : array(std::move(plain)) {}
    Array array;             // undefined while the numbers are somewhere else
    Ref<Deferred> deferred;  // null: they stand in `array`
    Edge edge;               // what made it; a GradSlot for a leaf that requires grad
    Ref<Node> slot;          // GradSlot: where its gradient is kept, null until one may be
  };
  [[noreturn]] static void fail_undefined();
  Ref<Impl> impl_;
};

// Prints as PyTorch does, with requires_grad or the name of grad_fn.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace sconce
