#include "sconce/core/print.h"

#include <ostream>

#include "sconce/tensor/tensor.h"

namespace sconce {

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor.defined()) return out << "tensor(undefined)";
  std::vector<std::string> suffixes;
  if (tensor.requires_grad()) {
    suffixes.push_back(tensor.is_leaf() ? "requires_grad=True"
                                        : cat("grad_fn=<", tensor.grad_fn_name(), ">"));
  }
  return out << repr(tensor.array(), suffixes);
}

}  // namespace sconce
