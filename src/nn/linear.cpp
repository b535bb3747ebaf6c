#include "sconce/nn/linear.h"

#include "sconce/nn/init.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/matmul.h"

namespace sconce::nn {

Linear::Linear(std::int64_t in_features, std::int64_t out_features, const LinearOptions& options)
    : in_features_(in_features), out_features_(out_features) {
  require(in_features >= 0 && out_features >= 0, ErrorCode::kInvalidArgument, "linear",
          "expected sizes that are not negative, found ", in_features, " inputs and ", out_features,
          " outputs");
  weight = Parameter(empty({out_features, in_features}, {.dtype = options.dtype}));
  if (options.bias) bias = Parameter(empty({out_features}, {.dtype = options.dtype}));
  init::linear_defaults(weight, bias);
}

Tensor Linear::forward(const Tensor& input) { return linear(input, weight, bias); }

std::string Linear::extra_repr() const {
  return cat("in_features=", in_features_, ", out_features=", out_features_,
             ", bias=", bias.defined() ? "True" : "False");
}

}  // namespace sconce::nn
