#include "sconce/nn/dropout.h"

#include "sconce/state/python_text.h"
#include "sconce/tensor/dropout.h"

namespace sconce::nn {

Dropout::Dropout(double p) : p_(p) {
  require(p >= 0 && p <= 1, ErrorCode::kInvalidArgument, "dropout",
          "dropout probability has to be between 0 and 1, but got ", p);
}

Tensor Dropout::forward(const Tensor& input) { return dropout(input, p_, is_training()); }

std::string Dropout::extra_repr() const { return cat("p=", float_repr(p_), ", inplace=False"); }

}  // namespace sconce::nn
