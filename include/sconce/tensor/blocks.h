// A tensor whose numbers stand in blocks of channels (sconce/kernels/blocked.h), as convolutions make them.
// Operations that know blocks hand them on; everybody else sees plain numbers, which are made at the first
// look.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "sconce/base/ref.h"
#include "sconce/core/array.h"

namespace sconce {

class Blocks final : public RefCounted {
 public:
  // `array` is (N, C / B, H, W, B).
  explicit Blocks(Array array);

  const Array& array() const { return array_; }
  const Shape& shape() const { return shape_; }  // (N, C, H, W)
  // The plain numbers (N, C, H, W); from then on they are kept, too. Threads may meet here.
  const Array& plain() const;
  // Changes when the plain numbers are written to: the blocks are out of date then.
  std::uint32_t version() const;

 private:
  Array array_;
  Shape shape_;
  mutable std::mutex mutex_;
  mutable std::atomic<bool> is_plain_{false};
  mutable Array plain_;
  mutable std::uint32_t first_version_ = 0;  // of plain_
};

}  // namespace sconce
