// A number without a shape, beside tensors in expressions: x * 2, x + 0.5.
#pragma once

#include <concepts>
#include <cstdint>

#include "sconce/core/array.h"

namespace sconce {

// A bool, an int64 or a double, remembering which: it takes part in type promotion by its kind only, as a
// Python number does in PyTorch.
class Scalar {
 public:
  Scalar(bool value) : integer_(value), real_(value ? 1.0 : 0.0), dtype_(kBool) {}  // NOLINT
  template <std::integral T>
  Scalar(T value)  // NOLINT(google-explicit-constructor): numbers stand in for scalars
      : integer_(static_cast<std::int64_t>(value)), real_(static_cast<double>(value)), dtype_(kInt64) {}
  template <std::floating_point T>
  Scalar(T value) : real_(static_cast<double>(value)), dtype_(kFloat64) {}  // NOLINT

  DType dtype() const { return dtype_; }  // kBool, kInt64 or kFloat64
  double to_double() const { return real_; }
  // The scalar as a 0-d array of `dtype`, rounded once.
  Array to_array(DType dtype) const;

 private:
  std::int64_t integer_ = 0;
  double real_ = 0;
  DType dtype_;
};

}  // namespace sconce
