// Schedulers hold the address of their optimizer.
#include <utility>

#include "sconce/optim/optim.h"

int main() {
  sconce::optim::SGD first{std::vector<sconce::Tensor>{}};
#ifdef SCONCE_CONTROL
  const sconce::optim::SGD& second = first;
#else
  const sconce::optim::SGD second = std::move(first);
#endif
  return static_cast<int>(second.param_groups().size());
}
