#include "sconce/nn/activation.h"

#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/softmax.h"

namespace sconce::nn {

Tensor ReLU::forward(const Tensor& input) { return relu(input); }

Tensor Softmax::forward(const Tensor& input) { return softmax(input, dim_); }
std::string Softmax::extra_repr() const { return cat("dim=", dim_); }

Tensor LogSoftmax::forward(const Tensor& input) { return log_softmax(input, dim_); }
std::string LogSoftmax::extra_repr() const { return cat("dim=", dim_); }

}  // namespace sconce::nn
