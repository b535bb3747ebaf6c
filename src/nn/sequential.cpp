#include "sconce/nn/sequential.h"

namespace sconce::nn {

Tensor Sequential::forward(const Tensor& input) {
  Tensor x = input;
  for (const auto& [name, layer] : children_.entries()) x = (*layer)(x);
  return x;
}

}  // namespace sconce::nn
