#include <ostream>

#include "sconce/tensor/tensor.h"

namespace sconce {

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor.defined()) return out << "tensor(undefined)";
  std::string text = tensor.str();
  if (!tensor.requires_grad()) return out << text;
  text.pop_back();  // the closing parenthesis
  if (tensor.is_leaf()) return out << text << ", requires_grad=True)";
  return out << text << ", grad_fn=<" << tensor.grad_fn_name() << ">)";
}

}  // namespace sconce
