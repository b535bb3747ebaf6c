// How a listing gets at the bytes of a tensor.
#pragma once

#include <cstddef>

#include "sconce/checkpoint/listing.h"
#include "sconce/core/storage.h"

namespace sconce::checkpoint::detail {

class TensorStore {
 public:
  virtual ~TensorStore() = default;
  // The whole storage of a tensor, checked.
  virtual Storage read(const TensorInfo& tensor) const = 0;
};

}  // namespace sconce::checkpoint::detail
