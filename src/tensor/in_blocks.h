// How operations take and make tensors in blocks.
#pragma once

#include <utility>

#include "sconce/kernels/blocked.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

// The way to a tensor's blocks.
struct InBlocks {
  // Null when the tensor stands in planes, or when its planes were written to.
  static const Array* find(const Tensor& x) {
    const bool is_there = x.impl_ && x.impl_->blocks && x.impl_->blocks->version() == 0;
    return is_there ? &x.impl_->blocks->array() : nullptr;
  }
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
  static Ref<Blocks> handle(const Tensor& x) { return x.impl_ ? x.impl_->blocks : nullptr; }
  static Tensor made(Ref<Blocks> blocks);
  // The tensor (N, C, H, W) of an array (N, C / B, H, W, B).
  static Tensor made(const Array& blocks);
};

// kernel(x), a kernel that looks at each number by itself: in blocks when x is.
template <class Kernel>
Tensor map_blocks(const Tensor& x, const Kernel& kernel) {
  const Array* blocks = InBlocks::find(x);
  return blocks != nullptr ? InBlocks::made(kernel(*blocks)) : Tensor(kernel(x.array()));
}
// kernel(a, b) of two float32 tensors of one shape: in blocks when either is.
template <class Kernel>
Tensor map_blocks(const Tensor& a, const Tensor& b, const Kernel& kernel) {
  const bool any = InBlocks::find(a) != nullptr || InBlocks::find(b) != nullptr;
  if (any && a.shape() == b.shape() && a.dtype() == b.dtype()) {
    const Array x = InBlocks::of(a);
    const Array y = InBlocks::of(b);
    if (x.shape() == y.shape()) return InBlocks::made(kernel(x, y));
  }
  return kernel(a.array(), b.array());
}

}  // namespace sconce
