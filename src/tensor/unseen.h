// What convolutions in planes make, and ReLU of it: nobody has seen the numbers, so ReLU may wait, and
// max-pooling applies it in passing.
#pragma once

#include <atomic>
#include <mutex>

#include "sconce/tensor/deferred.h"
#include "sconce/tensor/tensor.h"

namespace sconce {

class Unseen final : public Deferred {
 public:
  // The tensor of `result`, whose memory nobody else holds; a plain one where waiting is not worth it.
  static Tensor made(Array result);
  // relu(x), which waits as long as nobody has seen x; computed at once where that is not so.
  static Tensor relu(const Tensor& x);
  // Null unless x is of this kind.
  static Unseen* find(const Tensor& x);

  // The numbers as they stand, for who only reads them now.
  struct Peek {
    Array array;
    bool needs_relu = false;
  };
  Peek peek() const;

  explicit Unseen(Array result);
  // relu of the numbers of `source`, which was lent.
  explicit Unseen(Ref<Unseen> source);
  ~Unseen() override;

  const Array& plain() const override;
  Array leave() override;
  std::uint32_t version() const override;

 private:
  // A handle for an operation that waits: what it will read stays as it is. Null once the numbers were seen,
  // or where they wait themselves.
  Ref<Unseen> lend();
  void compute() const;  // with the lock held
  void return_source() const;

  mutable std::mutex mutex_;
  mutable std::atomic<bool> is_seen_{false};
  mutable Ref<Unseen> source_;               // what ReLU is still to be applied to
  mutable Array array_;                      // until the numbers are seen
  mutable Array plain_;                      // from then on
  mutable bool is_copied_ = false;           // plain_, since others read array_
  mutable std::uint32_t first_version_ = 0;  // of plain_
  mutable std::atomic<std::uint32_t> lent_{0};
};

}  // namespace sconce
