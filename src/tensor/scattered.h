// The gradient of an image that was max-pooled: zeros, but for where the maxima were.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "sconce/kernels/window.h"
#include "sconce/tensor/deferred.h"
#include "sconce/tensor/tensor.h"
#include "tensor/unseen.h"

namespace sconce {

class Scattered final : public Deferred {
 public:
  // What max-pooling of relu(x) kept.
  struct Pooled {
    Ref<Unseen> image;  // relu(x)
    Array places, rising;
    kernels::Window window;
  };
  // The gradient of pooled.image, given that of what it was pooled to.
  static Tensor made(const Pooled& pooled, Array grad);
  // The gradient of x, if `grad` is of this kind and of y = relu(x): one loop for both derivatives.
  static std::optional<Array> before_relu(const Tensor& grad, const Tensor& y);

  Scattered(const Pooled& pooled, Array grad);
  const Array& plain() const override;
  std::uint32_t version() const override;

 private:
  Pooled pooled_;
  Array grad_;
  mutable std::mutex mutex_;
  mutable std::atomic<bool> is_plain_{false};
  mutable Array plain_;
  mutable std::uint32_t first_version_ = 0;  // of plain_
};

}  // namespace sconce
