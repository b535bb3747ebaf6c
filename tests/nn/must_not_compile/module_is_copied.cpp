// Modules move; a deep copy is nn::copy.
#include <utility>

#include "sconce/nn/nn.h"

int main() {
  sconce::nn::Linear first{1, 1};
#ifdef SCONCE_CONTROL
  const sconce::nn::Linear second = std::move(first);
#else
  const sconce::nn::Linear second = first;
#endif
  return static_cast<int>(second.num_parameters());
}
