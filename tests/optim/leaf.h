// Parameters without a module.
#pragma once

#include "sconce/tensor/tensor.h"

namespace sconce::optim {

inline Tensor leaf(Tensor data) { return data.set_requires_grad(); }

}  // namespace sconce::optim
