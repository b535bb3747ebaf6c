#include "sconce/nn/parameter.h"

namespace sconce::nn {

Parameter::Parameter(const Tensor& data, bool requires_grad) : Tensor(data.detach()) {
  if (requires_grad) set_requires_grad();
}

Buffer::Buffer(const Tensor& data, bool is_persistent)
    : Tensor(data.detach()), is_persistent_(is_persistent) {}

}  // namespace sconce::nn
