#include "sconce/tensor/blocks.h"

#include <utility>

#include "sconce/kernels/blocked.h"
#include "tensor/in_blocks.h"

namespace sconce {

Blocks::Blocks(Array array) : array_(std::move(array)), shape_(kernels::blocked::plain_shape(array_)) {}

const Array& Blocks::plain() const {
  if (is_plain_.load(std::memory_order_acquire)) return plain_;
  const std::scoped_lock lock(mutex_);
  if (is_plain_.load(std::memory_order_relaxed)) return plain_;
  plain_ = kernels::blocked::to_plain(array_);
  first_version_ = plain_.storage().version();
  is_plain_.store(true, std::memory_order_release);
  return plain_;
}

std::uint32_t Blocks::version() const {
  return is_plain_.load(std::memory_order_acquire) ? plain_.storage().version() - first_version_ : 0;
}

Tensor InBlocks::made(const Array& blocks) {
  const Shape& shape = blocks.shape();
  // Of a single pixel, blocks are planes.
  if (shape[2] == 1 && shape[3] == 1) return blocks.view({shape[0], shape[1] * shape[4], 1, 1});
  return made(make_ref<Blocks>(blocks));
}

Tensor InBlocks::made(Ref<Blocks> blocks) {
  Tensor out;
  out.impl_ = make_ref<Tensor::Impl>();
  out.impl_->blocks = std::move(blocks);
  return out;
}

}  // namespace sconce
