#include "tensor/unseen.h"

#include <utility>

#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/fusion.h"
#include "tensor/in_blocks.h"

namespace sconce {

Tensor Unseen::made(Array result) {
  constexpr std::int64_t kLeast = 4096;  // elements: less memory is gone through in no time
  if (!is_fusion_enabled() || result.dtype() != kFloat32 || result.numel() < kLeast) return result;
  return InBlocks::made(make_ref<Unseen>(std::move(result)));
}

Unseen* Unseen::find(const Tensor& x) {
  Deferred* found = InBlocks::deferred(x);
  return found != nullptr && found->kind() == Kind::kUnseen ? static_cast<Unseen*>(found) : nullptr;
}

Tensor Unseen::relu(const Tensor& x) {
  if (Unseen* unseen = find(x)) {
    if (Ref<Unseen> source = unseen->lend()) return InBlocks::made(make_ref<Unseen>(std::move(source)));
  }
  return kernels::relu(x.array());
}

Unseen::Unseen(Array result)
    : Deferred(Kind::kUnseen, result.shape(), result.dtype()), array_(std::move(result)) {}

Unseen::Unseen(Ref<Unseen> source)
    : Deferred(Kind::kUnseen, source->shape(), source->dtype()), source_(std::move(source)) {}

Unseen::~Unseen() { return_source(); }

void Unseen::return_source() const {
  if (!source_) return;
  source_->lent_.fetch_sub(1, std::memory_order_release);
  source_ = nullptr;
}

Ref<Unseen> Unseen::lend() {
  const std::scoped_lock lock(mutex_);
  if (is_seen_.load(std::memory_order_relaxed) || source_) return nullptr;
  lent_.fetch_add(1, std::memory_order_relaxed);
  return Ref<Unseen>(this);
}

void Unseen::compute() const {
  if (!source_) return;
  // Where this is all that is left of the source, its memory is this one's.
  if (source_->use_count() == 1 && source_->array_.storage().is_ours_alone()) {
    kernels::relu_into(source_->array_);
    array_ = std::move(source_->array_);
  } else {
    array_ = kernels::relu(source_->array_);
  }
  return_source();
}

const Array& Unseen::plain() const {
  if (is_seen_.load(std::memory_order_acquire)) return plain_;
  const std::scoped_lock lock(mutex_);
  if (is_seen_.load(std::memory_order_relaxed)) return plain_;
  compute();
  // Whoever sees the numbers may write there: what was lent must not notice.
  is_copied_ = lent_.load(std::memory_order_acquire) > 0;
  plain_ = is_copied_ ? array_.clone() : std::move(array_);
  first_version_ = plain_.storage().version();
  is_seen_.store(true, std::memory_order_release);
  return plain_;
}

Array Unseen::leave() {
  (void)plain();
  // Of a copy this one needs nothing; the rest may be kept for backward, which must notice the write.
  const std::scoped_lock lock(mutex_);
  return is_copied_ ? std::move(plain_) : plain_;
}

std::uint32_t Unseen::version() const {
  return is_seen_.load(std::memory_order_acquire) ? plain_.storage().version() - first_version_ : 0;
}

Unseen::Peek Unseen::peek() const {
  const std::scoped_lock lock(mutex_);
  if (is_seen_.load(std::memory_order_relaxed)) return {plain_, false};
  return source_ ? Peek{source_->array_, true} : Peek{array_, false};
}

}  // namespace sconce
