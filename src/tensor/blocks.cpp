#include "sconce/tensor/blocks.h"

#include <utility>

#include "sconce/tensor/fusion.h"
#include "tensor/in_blocks.h"

namespace sconce {

namespace blocked = kernels::blocked;

Blocks::Blocks(Array array)
    : Deferred(Kind::kBlocks, blocked::plain_shape(array), kFloat32),
      is_computed_(true),
      array_(std::move(array)) {}

Blocks::Blocks(Joined joined)
    : Deferred(Kind::kBlocks, blocked::plain_shape(joined.first.image), kFloat32),
      joined_(std::move(joined)) {}

const Array& Blocks::computed() const {
  if (!is_computed_.load(std::memory_order_relaxed)) {
    array_ = blocked::evaluate(*joined_);
    joined_.reset();
    is_computed_.store(true, std::memory_order_release);
  }
  return array_;
}

const Array& Blocks::array() const {
  if (is_computed_.load(std::memory_order_acquire)) return array_;
  const std::scoped_lock lock(mutex_);
  return computed();
}

Array Blocks::take() && {
  (void)array();
  return std::move(array_);
}

Blocks::Joined Blocks::joined() const {
  if (!is_computed_.load(std::memory_order_acquire)) {
    const std::scoped_lock lock(mutex_);
    if (joined_) return *joined_;
  }
  return {{array_, {}, {}}, {}, false};
}

const Array& Blocks::plain() const {
  if (is_plain_.load(std::memory_order_acquire)) return plain_;
  const std::scoped_lock lock(mutex_);
  if (is_plain_.load(std::memory_order_relaxed)) return plain_;
  plain_ = blocked::to_plain(computed());
  first_version_ = plain_.storage().version();
  is_plain_.store(true, std::memory_order_release);
  return plain_;
}

std::uint32_t Blocks::version() const {
  return is_plain_.load(std::memory_order_acquire) ? plain_.storage().version() - first_version_ : 0;
}

Array InBlocks::take(Tensor x) {
  if (!stands(x)) return blocked::from_plain(x.array());
  if (x.impl_->use_count() > 1 || x.impl_->deferred->use_count() > 1) return *find(x);
  return std::move(blocks(x)).take();
}

Array InBlocks::take_planes(Tensor x) {
  const bool is_kept = !x.impl_ || x.impl_->deferred || x.impl_->use_count() > 1;
  return is_kept ? x.array() : std::move(x.impl_->array);
}

Tensor InBlocks::made(const Array& blocks) {
  const Shape& shape = blocks.shape();
  // Of a single pixel, blocks are planes.
  if (shape[2] == 1 && shape[3] == 1) return blocks.view({shape[0], shape[1] * shape[4], 1, 1});
  return made(make_ref<Blocks>(blocks));
}

Tensor InBlocks::made(blocked::Joined joined) {
  if (!is_fusion_enabled()) return made(blocked::evaluate(joined));
  return made(make_ref<Blocks>(std::move(joined)));
}

Tensor InBlocks::made(Ref<Deferred> deferred) {
  Tensor out;
  out.impl_ = make_ref<Tensor::Impl>();
  out.impl_->deferred = std::move(deferred);
  return out;
}

namespace {

// x as one operand of a sum.
blocked::Joined::Term term_of(const Tensor& x) {
  if (InBlocks::stands(x)) {
    blocked::Joined joined = InBlocks::blocks(x).joined();
    if (!joined.second && !joined.has_relu) return std::move(joined.first);
  }
  return {InBlocks::of(x), {}, {}};
}

}  // namespace

Tensor InBlocks::relu(const Tensor& x) {
  blocked::Joined joined = blocks(x).joined();
  joined.has_relu = true;
  return made(std::move(joined));
}

bool InBlocks::fit(const Tensor& a, const Tensor& b) {
  return (stands(a) || stands(b)) && a.shape() == b.shape() && a.dtype() == b.dtype();
}

Tensor InBlocks::add(const Tensor& a, const Tensor& b) {
  return made(blocked::Joined{term_of(a), term_of(b), false});
}

}  // namespace sconce
