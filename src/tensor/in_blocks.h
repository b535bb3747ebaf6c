// How operations take and make tensors in blocks.
#pragma once

#include <utility>

#include "sconce/kernels/blocked.h"
#include "sconce/tensor/blocks.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

// The way to a tensor's blocks.
struct InBlocks {
  // Of whatever kind; null for a plain tensor.
  static Deferred* deferred(const Tensor& x) { return x.impl_ ? x.impl_->deferred.get() : nullptr; }
  // False when the tensor stands in planes, or when its planes were written to.
  static bool stands(const Tensor& x) {
    const Deferred* found = deferred(x);
    return found != nullptr && found->kind() == Deferred::Kind::kBlocks && found->version() == 0;
  }
  // Of a tensor that stands in blocks.
  static Blocks& blocks(const Tensor& x) { return static_cast<Blocks&>(*x.impl_->deferred); }
  // Null unless it stands in blocks.
  static const Array* find(const Tensor& x) { return stands(x) ? &blocks(x).array() : nullptr; }
  // In blocks or planes, as it stands.
  static const Array& any(const Tensor& x) {
    const Array* blocks = find(x);
    return blocks != nullptr ? *blocks : x.array();
  }
  // In blocks, whatever it takes; the shape must fit.
  static Array of(const Tensor& x) {
    const Array* blocks = find(x);
    return blocks != nullptr ? *blocks : kernels::blocked::from_plain(x.array());
  }
  // The numbers of a tensor that is needed no more, in blocks or in planes. Where nobody else held the
  // tensor, nobody else holds them.
  static Array take(Tensor x);
  static Array take_planes(Tensor x);
  static Tensor made(Ref<Deferred> deferred);
  // The tensor (N, C, H, W) of an array (N, C / B, H, W, B).
  static Tensor made(const Array& blocks);
  // The tensor of what is to be computed when somebody needs it, or at once without fusion.
  static Tensor made(Blocks::Joined joined);
  // relu(x) of a tensor in blocks.
  static Tensor relu(const Tensor& x);
  // Whether what is made of two tensors, number by number, stands in blocks: one of them does, and they have
  // one shape.
  static bool fit(const Tensor& a, const Tensor& b);
  static Tensor add(const Tensor& a, const Tensor& b);
};

// kernel(Array a, const Array& b) of two tensors: in blocks when they fit. Hand over `a` where it is not
// needed any more.
template <class Kernel>
Tensor map_blocks(Tensor a, const Tensor& b, const Kernel& kernel) {
  if (!InBlocks::fit(a, b)) return kernel(InBlocks::take_planes(std::move(a)), b.array());
  const Array y = InBlocks::of(b);
  return InBlocks::made(kernel(InBlocks::take(std::move(a)), y));
}

}  // namespace sconce
