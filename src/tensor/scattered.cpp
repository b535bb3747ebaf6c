#include "tensor/scattered.h"

#include <utility>

#include "sconce/kernels/pool.h"
#include "tensor/in_blocks.h"

namespace sconce {

Tensor Scattered::made(const Pooled& pooled, Array grad) {
  return InBlocks::made(make_ref<Scattered>(pooled, std::move(grad)));
}

std::optional<Array> Scattered::before_relu(const Tensor& grad, const Tensor& y) {
  const Deferred* found = InBlocks::deferred(grad);
  if (found == nullptr || found->kind() != Kind::kScattered || found->version() != 0) return std::nullopt;
  const auto& scattered = static_cast<const Scattered&>(*found);
  const Pooled& pooled = scattered.pooled_;
  if (pooled.image.get() != InBlocks::deferred(y)) return std::nullopt;
  return kernels::max_pool2d_backward(scattered.grad_, pooled.rising, scattered.shape(), pooled.window);
}

Scattered::Scattered(const Pooled& pooled, Array grad)
    : Deferred(Kind::kScattered, pooled.image->shape(), grad.dtype()),
      pooled_(pooled),
      grad_(std::move(grad)) {}

const Array& Scattered::plain() const {
  if (is_plain_.load(std::memory_order_acquire)) return plain_;
  const std::scoped_lock lock(mutex_);
  if (is_plain_.load(std::memory_order_relaxed)) return plain_;
  plain_ = kernels::max_pool2d_backward(grad_, pooled_.places, shape(), pooled_.window);
  first_version_ = plain_.storage().version();
  is_plain_.store(true, std::memory_order_release);
  return plain_;
}

std::uint32_t Scattered::version() const {
  return is_plain_.load(std::memory_order_acquire) ? plain_.storage().version() - first_version_ : 0;
}

}  // namespace sconce
