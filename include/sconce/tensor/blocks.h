// A tensor whose numbers stand in blocks of channels (sconce/kernels/blocked.h), as convolutions make them,
// or will stand there: what follows a convolution waits until somebody needs its numbers.
// Operations that know blocks hand them on; everybody else sees plain numbers, which are made at the first
// look. Threads may meet in every function.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "sconce/base/ref.h"
#include "sconce/core/array.h"
#include "sconce/kernels/blocked.h"

namespace sconce {

class Blocks final : public RefCounted {
 public:
  using Joined = kernels::blocked::Joined;
  // `array` is (N, C / B, H, W, B).
  explicit Blocks(Array array);
  // What the array is to be computed from, later.
  explicit Blocks(Joined joined);

  // Computed at the first look.
  const Array& array() const;
  const Shape& shape() const { return shape_; }  // (N, C, H, W)
  // The array of blocks that nobody needs any more.
  Array take() &&;
  // What is still to be computed to get the numbers; the array itself where nothing is.
  Joined joined() const;
  // The plain numbers (N, C, H, W); from then on they are kept, too.
  const Array& plain() const;
  // Changes when the plain numbers are written to: the blocks are out of date then.
  std::uint32_t version() const;

 private:
  const Array& computed() const;  // with the lock held

  Shape shape_;
  mutable std::mutex mutex_;
  mutable std::atomic<bool> is_computed_{false};
  mutable std::atomic<bool> is_plain_{false};
  mutable std::optional<Joined> joined_;  // until it is computed
  mutable Array array_;
  mutable Array plain_;
  mutable std::uint32_t first_version_ = 0;  // of plain_
};

}  // namespace sconce
