// A tensor whose numbers stand in blocks of channels (sconce/kernels/blocked.h), as convolutions make them,
// or will stand there: what follows a convolution waits until somebody needs its numbers.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "sconce/core/array.h"
#include "sconce/kernels/blocked.h"
#include "sconce/tensor/deferred.h"

namespace sconce {

class Blocks final : public Deferred {
 public:
  using Joined = kernels::blocked::Joined;
  // `array` is (N, C / B, H, W, B).
  explicit Blocks(Array array);
  // What the array is to be computed from, later.
  explicit Blocks(Joined joined);

  // Computed at the first look.
  const Array& array() const;
  // The array of blocks that nobody needs any more.
  Array take() &&;
  // What is still to be computed to get the numbers; the array itself where nothing is.
  Joined joined() const;
  // (N, C, H, W).
  const Array& plain() const override;
  // Where it is not 0, the blocks are out of date.
  std::uint32_t version() const override;

 private:
  const Array& computed() const;  // with the lock held

  mutable std::mutex mutex_;
  mutable std::atomic<bool> is_computed_{false};
  mutable std::atomic<bool> is_plain_{false};
  mutable std::optional<Joined> joined_;  // until it is computed
  mutable Array array_;
  mutable Array plain_;
  mutable std::uint32_t first_version_ = 0;  // of plain_
};

}  // namespace sconce
