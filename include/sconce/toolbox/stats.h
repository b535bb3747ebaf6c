// Facts about the numbers in a tensor.
#pragma once

#include <cstdint>

#include "sconce/core/array.h"

namespace sconce::toolbox {

struct TensorStats {
  std::int64_t count = 0;  // all elements
  std::int64_t nan = 0;
  std::int64_t infinite = 0;
  std::int64_t zeros = 0;
  // Of the finite elements, in double; NaN when there are none. std is the population's (divided by n).
  double min = 0;
  double max = 0;
  double mean = 0;
  double std = 0;
};

// Complex elements are seen by their magnitude; bools count as 0 and 1. Error kDTypeMismatch for quantized
// and packed dtypes, whose elements have no value of their own, kLimit for what is expanded too far.
TensorStats tensor_stats(const Array& array);

}  // namespace sconce::toolbox
